/// Databases in the states that these tests start from, and short ways to look into them.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Synchronization
import Testing

extension Template {
    /// As `embark migrate` leaves it.
    static let migrated = Template("migrated") { connection in
        try await Migrator().migrate(on: connection)
    }

    /// Ready for signups: a solution partner with a system user.
    static let configured = Template("configured") { connection in
        try await Migrator().migrate(on: connection)
        let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
        try await InstallationStore.write(installation, on: connection)
    }
}

extension Connection {
    /// The first column of the first row.
    func value<Value: PostgresDecodable>(_ sql: String, as type: Value.Type = Value.self) async throws -> Value {
        try #require(try await values(sql, as: type).first)
    }

    /// The first and only column of all rows.
    func values<Value: PostgresDecodable>(_ sql: String, as type: Value.Type = Value.self) async throws -> [Value] {
        let statement = Statement<Single<Value>>("test_\(UInt(bitPattern: sql.hashValue))", sql)
        return try await run(statement()).map(\.value)
    }
}

/// Opens a session for the length of `body`.
func withConnection<Result>(
    to url: String,
    _ body: (Connection) async throws -> Result
) async throws -> Result {
    let connection = try await Connection.open(ConnectionOptions(url, applicationName: "tests"))
    let outcome: Swift.Result<Result, any Error>
    do {
        outcome = .success(try await body(connection))
    } catch {
        outcome = .failure(error)
    }
    await connection.close()
    return try outcome.get()
}

/// A session with the running test's database.
func withConnection<Result>(_ body: (Connection) async throws -> Result) async throws -> Result {
    try await withConnection(to: TestDatabase.current.url, body)
}

/// The first column of a query in the running test's database.
func texts(_ sql: String) async throws -> [String] {
    try await withConnection { try await $0.values(sql, as: String.self) }
}

/// How many rows a table of the running test's database has.
func count(_ table: String) async throws -> Int64 {
    try await withConnection { try await $0.value("SELECT count(*) FROM \(table)", as: Int64.self) }
}

/// Runs statements as a superuser in the running test's database.
func script(_ sql: String, deadline: Duration = .seconds(10)) async throws {
    try await withConnection { try await $0.script(sql, deadline: deadline) }
}

/// Everything that migrating makes in a database, as text: definitions, owners, rights, default rights, and the history
/// but for its times.
func schema(of url: String) async throws -> String {
    let dump = try await Command.program("pg_dump", ["--schema-only", "--dbname", url])
    guard dump.code == 0 else { throw SupportError("pg_dump failed: \(dump.err)") }
    // Comments name the server's version, and \restrict a random token.
    let lines = dump.out.split(separator: "\n").filter { !$0.hasPrefix("--") && !$0.hasPrefix("\\") }
    let history = try await withConnection(to: url) { connection in
        try await connection.values(
            "SELECT concat_ws(' ', version, name, sha256) FROM embark.schema_migrations ORDER BY version",
            as: String.self
        )
    }
    return (lines.map(String.init) + history).joined(separator: "\n")
}

/// The schema that one undisturbed run makes, once for the whole test process.
func cleanSchema() async throws -> String { try await cleanSchemaTask.value }

private let cleanSchemaTask = Task {
    let made = Mutex("")
    try await TestDatabase.with(.migrated) {
        let text = try await schema(of: TestDatabase.current.url)
        made.withLock { $0 = text }
    }
    return made.withLock { $0 }
}

/// The same server under another user or with another database.
func url(_ url: String, user: String? = nil, database: String? = nil) throws -> String {
    var components = try #require(URLComponents(string: url))
    if let user { components.user = user }
    if let database { components.path = "/" + database }
    return try #require(components.string)
}
