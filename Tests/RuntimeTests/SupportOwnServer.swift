/// `@Suite(.serialized, .ownServer)`: one PostgreSQL server for a whole suite, for tests that change the roles of a cluster.
import Postgres
import Support
import Synchronization
import Testing

struct OwnServerTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        try await PrivateServer.with { server in
            try await OwnServer.$scoped.withValue(server.url, operation: function)
        }
    }
}

extension Trait where Self == OwnServerTrait {
    static var ownServer: OwnServerTrait { OwnServerTrait() }
}

enum OwnServer {
    @TaskLocal static var scoped: String?
    private static let count = Atomic(0)

    static let roles = [
        "embark_migrator", "embark_operator", "embark_owner", "embark_reader", "embark_token_reader", "embark_upstream",
        "embark_worker",
    ]

    /// The superuser's URL.
    static var url: String {
        guard let scoped else { preconditionFailure("this suite needs the trait .ownServer") }
        return scoped
    }

    /// An empty database, the superuser's URL of it.
    static func makeDatabase() async throws -> String {
        let name = "own_\(count.add(1, ordering: .relaxed).newValue)"
        try await administer("CREATE DATABASE \(name)")
        return try RuntimeTests.url(url, database: name)
    }

    static func administer(_ sql: String) async throws {
        try await withConnection(to: url) { try await $0.script(sql, deadline: .seconds(30)) }
    }

    /// Drops every database of this suite, and then Embark's roles: a cluster that has never seen Embark.
    static func forgetEmbark() async throws {
        try await withConnection(to: url) { connection in
            let databases = "SELECT datname::text FROM pg_database WHERE datname LIKE 'own\\_%'"
            for name in try await connection.values(databases, as: String.self) {
                try await connection.script("DROP DATABASE \(name) WITH (FORCE)")
            }
            for role in roles { try await connection.script("DROP ROLE IF EXISTS \(role)") }
        }
    }
}
