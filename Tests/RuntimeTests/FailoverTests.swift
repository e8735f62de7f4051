/// A synchronous standby is promoted while its primary crashes under load: nothing that was acknowledged is lost, and workers go
/// on by themselves.
import Foundation
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct FailoverTests {
    /// The same database on whichever of the servers is the primary.
    private static func url(of servers: PrivateServer...) throws -> String {
        let places = try servers.map { "127.0.0.1:\(try #require(URLComponents(string: $0.url)?.port))" }
        return "postgresql://postgres@\(places.joined(separator: ","))/postgres?target_session_attrs=read-write"
    }

    /// A primary with a standby without which it confirms no commit.
    private static func withPair(_ body: (PrivateServer, PrivateServer) async throws -> Void) async throws {
        try await PrivateServer.configured { primary in
            try await primary.withStandby { standby in
                try await script("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
                try await script("SELECT pg_reload_conf()")
                try await eventually("the standby is synchronous", within: .seconds(20)) {
                    try await count("pg_stat_replication WHERE sync_state = 'sync'") == 1
                }
                try await body(primary, standby)
            }
        }
    }

    /// Enqueues one signup after the other until it is stopped, as an upstream system would, and keeps what was acknowledged.
    private final class Upstream: Sendable {
        private struct State {
            var acknowledged: [Int] = []
            var isOver = false
        }
        private let state = Mutex(State())

        var acknowledged: [Int] { state.withLock(\.acknowledged) }
        func end() { state.withLock { $0.isOver = true } }

        func run(_ url: String) async throws {
            var n = 0
            while !state.withLock(\.isOver) {
                n += 1
                let number = n
                do {
                    try await withConnection(to: url) { connection in
                        try await connection.script(
                            """
                            SELECT embark.enqueue_signup(code => '\(Customer.code(number))', waba_id => '\(Customer.wabaID(number))',
                                phone_number_id => '\(Customer.phoneID(number))', business_id => '\(Customer.businessID(number))',
                                currency => 'USD', external_id => 'n\(number)')
                            """
                        )
                    }
                    state.withLock { $0.acknowledged.append(number) }
                } catch is PostgresError {
                    // Not acknowledged: it may be there or not.
                }
            }
        }
    }

    @Test func `A standby takes over under load: what was acknowledged is there, and workers go on`() async throws {
        try await Self.withPair { primary, standby in
            try await SimulatedPlatform.with(latency: .milliseconds(30)) { platform in
                let url = try Self.url(of: primary, standby)
                let upstream = Upstream()
                let results = try await RunningWorker.several(
                    2,
                    graph: platform.url,
                    database: url,
                    environment: ["EMBARK_LOG_LEVEL": "debug", "EMBARK_CONCURRENCY": "16"]
                ) { running in
                    for worker in running {
                        try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    }
                    try await withThrowingTaskGroup { group in
                        group.addTask { try await upstream.run(url) }
                        try await eventually("it is loaded", within: .seconds(30)) {
                            try await count("embark.attempts") > 60
                        }
                        try await primary.stop(.immediate)
                        try await standby.promote()
                        let promoted = ContinuousClock.now
                        try await TestDatabase.using(standby.url) {
                            let before = try await count("embark.attempts")
                            try await eventually("both go on", within: .seconds(20)) {
                                let listeners = try await count(
                                    "pg_stat_activity WHERE application_name = 'embark listen'"
                                )
                                let settled = try await count("embark.attempts")
                                return listeners == 2 && settled > before + 20
                            }
                            #expect(.now - promoted < .seconds(10), "they went on after \(.now - promoted)")
                            upstream.end()
                            try await group.waitForAll()
                            try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(90))
                        }
                    }
                }
                try await TestDatabase.using(standby.url) {
                    let there = Set(try await texts("SELECT external_id FROM embark.signups"))
                    let lost = upstream.acknowledged.filter { !there.contains("n\($0)") }
                    #expect(lost.isEmpty, "acknowledged and lost: \(lost)")
                    #expect(upstream.acknowledged.count > 10)
                    try await Self.checkSettled(results)
                    try await Unharmed.check(platform, signups: there.count)
                }
                for result in results { #expect(result.code == 0, "\(result.err.suffix(500))") }
            }
        }
    }

    /// What a worker's log says was settled has been acknowledged to it.
    private static func checkSettled(_ results: [CommandResult]) async throws {
        let settled = Set(
            try await texts(
                "SELECT concat_ws(' ', signup_id, step, attempt, verdict) FROM embark.attempts WHERE verdict <> 'stale'"
            )
        )
        let said = try results.flatMap { try $0.logLines() }.filter {
            $0["message"] as? String == "step settled" && $0["job.verdict"] as? String != "stale"
        }.map { line in
            ["signup.id", "job.step", "job.attempt", "job.verdict"].map { line[$0] as? String ?? "?" }
                .joined(separator: " ")
        }
        #expect(said.count > 60)
        let lost = said.filter { !settled.contains($0) }
        #expect(lost.isEmpty, "settled, acknowledged and lost: \(lost.prefix(10))")
    }

    @Test func `A commit that no standby has confirmed is not taken for one, and is lost with its server`() async throws
    {
        try await Self.withPair { primary, standby in
            try await script("CREATE TABLE marks (mark text)")
            // It holds its stream open and confirms nothing.
            let receiver = try await withConnection(to: standby.url) {
                try await $0.value("SELECT pid FROM pg_stat_wal_receiver", as: Int32.self)
            }
            let connection = try await Connection.open(ConnectionOptions(primary.url, applicationName: "tests"))
            try #require(kill(receiver, SIGSTOP) == 0)
            defer { kill(receiver, SIGCONT) }
            let insert = Statement<NoRow, String>("insert", "INSERT INTO marks VALUES ($1)")
            // By a statement, by one of several in a transaction, by each of several, by a script.
            var errors: [PostgresError] = []
            for way in 0..<4 {
                let connection = try await Connection.open(ConnectionOptions(primary.url, applicationName: "tests"))
                let limit = Duration.milliseconds(500)
                do throws(PostgresError) {
                    switch way {
                    case 0: _ = try await connection.run(insert("a"), deadline: limit)
                    case 1: _ = try await connection.atomically(insert("b"), insert("c"), deadline: limit)
                    case 2: _ = try await connection.each([insert("d"), insert("e")], deadline: limit)[0].get()
                    default: try await connection.script("INSERT INTO marks VALUES ('f')", deadline: limit)
                    }
                    Issue.record("way \(way): a commit counts that the standby does not have")
                } catch {
                    errors.append(error)
                }
                #expect(await !connection.isUsable)
            }
            for error in errors {
                #expect(error.kind == .deadlineExceeded)
                #expect(error.description.contains("no standby has confirmed it"), "\(error)")
            }
            // They are there, for whoever looks, and gone with the server.
            let stored = try await connection.value("SELECT count(*) FROM marks", as: Int64.self)
            #expect(stored > 4)
            await connection.close()
        }
    }

    @Test func `A worker starts although the first of its hosts is a machine that says nothing`() async throws {
        try await TestDatabase.with(.configured) {
            let url = TestDatabase.current.url
            let port = try #require(URLComponents(string: url)?.port)
            let silent = try TCPProxy(to: UInt16(port))
            silent.freeze()
            let hosts = url.replacing("127.0.0.1:\(port)", with: "127.0.0.1:\(silent.port),127.0.0.1:\(port)")
            try await SimulatedPlatform.with { platform in
                let result = try await RunningWorker.with(
                    graph: platform.url,
                    database: hosts + "?target_session_attrs=read-write"
                ) { worker in
                    try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    try await Customer.enqueue(1...3)
                    try await eventually("they are completed", within: .seconds(20)) {
                        try await count("embark.jobs") == 0
                    }
                }
                #expect(result.code == 0)
                try await Unharmed.check(platform, signups: 3)
            }
            silent.close()
        }
    }
}
