/// A real PgBouncer in transaction mode between the worker and its database: each transaction may meet another session.
import Foundation
import NIOCore
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct PgBouncerTests {
    /// Runs PgBouncer on a free port for as long as `body` does, and hands it the URL that goes through it.
    private static func withPooler(
        to url: String,
        _ body: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        let components = try #require(URLComponents(string: url))
        let serverPort = try #require(components.port)
        let port = try await FreePort.find()
        let folder = FileManager.default.temporaryDirectory.appending(path: "embark-pgbouncer-\(port)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            do {
                try FileManager.default.removeItem(at: folder)
            } catch {
                Issue.record("\(folder.path) was left behind: \(error)")
            }
        }
        let user = components.user ?? "postgres"
        try "\"\(user)\" \"\"\n".write(to: folder.appending(path: "users"), atomically: true, encoding: .utf8)
        try """
        [databases]
        * = host=127.0.0.1 port=\(serverPort)
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = \(port)
        unix_socket_dir =
        auth_type = trust
        auth_file = \(folder.path)/users
        pool_mode = transaction
        default_pool_size = 4
        """.write(to: folder.appending(path: "pgbouncer.ini"), atomically: true, encoding: .utf8)
        // It refuses to run as root, and must be able to read its files as whoever it becomes.
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        let becoming = getuid() == 0 ? ["-u", "postgres"] : []
        var pooled = components
        pooled.port = port
        let pooledURL = try #require(pooled.string)
        let result = try await Subprocess.run(
            .name("pgbouncer"),
            arguments: Arguments(becoming + [folder.appending(path: "pgbouncer.ini").path]),
            environment: Command.environment(database: nil, ["PATH": "/usr/sbin:/usr/bin:/bin"]),
            input: .none,
            output: .discarded,
            error: .string(limit: 1 << 20)
        ) { process -> (any Error)? in
            var failure: (any Error)?
            do {
                try await eventually("PgBouncer answers", within: .seconds(10)) {
                    do {
                        return try await withConnection(to: pooledURL) { connection in
                            try await connection.script("SELECT 1")
                            return true
                        }
                    } catch is PostgresError {
                        return false
                    }
                }
                try await body(pooledURL)
            } catch {
                failure = error
            }
            try process.send(signal: .interrupt)
            return failure
        }
        if let failure = result.closureResult {
            Issue.record("PgBouncer said: \(result.standardError)")
            throw failure
        }
    }

    @Test func `A worker works through it, with LISTEN and presence on a connection of their own`() async throws {
        let direct = TestDatabase.current.url
        try await Self.withPooler(to: direct) { pooled in
            try await SimulatedPlatform.with(faults: #"{"subscribe_app": {"http500": 0.2}}"#) { platform in
                let result = try await RunningWorker.with(
                    graph: platform.url,
                    database: pooled,
                    environment: ["EMBARK_DIRECT_DATABASE_URL": direct]
                ) { worker in
                    try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    // Enqueued while it sleeps: the notification comes by the direct connection.
                    try await Customer.enqueue(1...20, messageEvery: 4)
                    try await eventually("all are completed", within: .seconds(60)) {
                        try await count("embark.signups WHERE state = 'completed'") == 20
                    }
                    let sessions = try await texts(
                        """
                        SELECT application_name FROM pg_stat_activity
                         WHERE datname = current_database() AND application_name LIKE 'embark%' ORDER BY 1
                        """
                    )
                    #expect(sessions.count { $0 == "embark listen" } == 1)
                    // However many transactions there were, the pooler's own sessions hold no statement of ours.
                    #expect(sessions.count <= 5, "\(sessions)")
                }
                #expect(result.code == 0)
                #expect(try result.logLines().allSatisfy { $0["level"] as? String != "error" }, "\(result.err)")
                for (effect, key) in [("exchange_code", "code"), ("share_credit_line", "waba_id")] {
                    let counts = try platform.effects(effect, by: key)
                    #expect(counts.count == 20 && counts.values.allSatisfy { $0 == 1 })
                }
            }
        }
    }

    @Test func `Without a pooler a worker process holds three connections`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(20)) { platform in
            try await Customer.enqueue(1...60)
            let result = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) { _ in
                var most: Int64 = 0
                try await eventually("all are completed", within: .seconds(60)) {
                    let now = try await count(
                        "pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'embark%'"
                    )
                    most = max(most, now)
                    return try await count("embark.jobs") == 0
                }
                #expect((1...3).contains(most))
            }
            #expect(result.code == 0)
        }
    }
}
