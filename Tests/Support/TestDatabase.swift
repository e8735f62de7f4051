/// A database that one test has for itself, and the templates from which such databases are cloned.
public import Postgres
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

public struct TestDatabase: Sendable {
    public let name: String
    /// A superuser's URL of this database.
    public let url: String

    @TaskLocal static var scoped: TestDatabase?

    /// The database of the running test, which must have the trait `.database(…)`.
    public static var current: TestDatabase {
        guard let scoped else { preconditionFailure("this test needs the trait .database(…)") }
        return scoped
    }

    /// Makes a database that is already there the current one for `body`: one on a server of the test's own.
    public static func using(_ url: String, _ body: () async throws -> Void) async throws {
        try await $scoped.withValue(TestDatabase(name: url, url: url), operation: body)
    }

    /// Opens a session, which ends with the test at the latest.
    public func connect() async throws(PostgresError) -> Connection {
        try await Connection.open(options)
    }

    public var options: ConnectionOptions {
        get throws(PostgresError) { try ConnectionOptions(url, applicationName: "tests") }
    }

    /// Names begin with this and the process that made them.
    static let prefix = "embark_test_"
    private static let count = Atomic(0)

    /// Creates a database, runs `body` with it as the current one and drops it, with its sessions, at the end.
    public static func with(
        _ template: Template,
        _ body: () async throws -> Void
    ) async throws {
        let source = try await template.database()
        let number = count.add(1, ordering: .relaxed).newValue
        let name = "\(prefix)\(getpid())_\(number)"
        try await TestServer.administer("CREATE DATABASE \"\(name)\" TEMPLATE \"\(source)\"")
        let database = TestDatabase(name: name, url: try await TestServer.url(ofDatabase: name))
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await $scoped.withValue(database, operation: body))
        } catch {
            outcome = .failure(error)
        }
        try await TestServer.administer("DROP DATABASE \"\(name)\" WITH (FORCE)")
        try outcome.get()
    }
}

/// What a test's database holds at the beginning.
public struct Template: Sendable {
    public let name: String
    private let creationOptions: String
    private let prepare: @Sendable (Connection) async throws -> Void

    /// Nothing but what every PostgreSQL database has.
    public static let empty = Template("empty") { _ in }

    /// A database that `prepare` fills through a superuser's session, once a process: the name stands for the content.
    /// `creationOptions` go into CREATE DATABASE, such as "ENCODING 'SQL_ASCII'".
    public init(
        _ name: String,
        creationOptions: String = "",
        prepare: @escaping @Sendable (Connection) async throws -> Void
    ) {
        self.name = name
        self.creationOptions = creationOptions
        self.prepare = prepare
    }

    /// The name of the database to clone, made at the first call.
    func database() async throws -> String {
        try await Self.made.withLock { made in
            if let task = made[name] { return task }
            let task = Task { try await make() }
            made[name] = task
            return task
        }.value
    }

    private static let made = Mutex<[String: Task<String, any Error>]>([:])

    private func make() async throws -> String {
        let database = "\(TestDatabase.prefix)\(getpid())_template_\(name)"
        try await TestServer.administer("CREATE DATABASE \"\(database)\" TEMPLATE template0 \(creationOptions)")
        let connection = try await TestServer.connect(to: TestServer.url(ofDatabase: database))
        try await prepare(connection)
        await connection.close()
        return database
    }
}
