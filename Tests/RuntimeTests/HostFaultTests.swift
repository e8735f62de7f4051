/// A worker's host: a clock that is an hour off, a log that cannot be written, a process that is frozen, killed or replaced.
import Foundation
import NIOCore
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// MARK: - The clock

#if os(Linux)
    @Suite(.database(.configured), .timeLimit(.minutes(10)))
    struct ClockTests {
        /// datefudge moves what a process takes for the time of day, and leaves the clock that only goes forward.
        private static func environment(secondsOff: Int) throws -> [String: String] {
            let library = try #require(
                try FileManager.default.contentsOfDirectory(atPath: "/usr/lib")
                    .map { "/usr/lib/\($0)/datefudge/datefudge.so" }
                    .first { FileManager.default.fileExists(atPath: $0) },
                "there is no datefudge: run scripts/install"
            )
            return ["LD_PRELOAD": library, "DATEFUDGE": "\(-secondsOff)"]
        }

        private static func number(_ sql: String) async throws -> Double {
            try await withConnection { try await $0.value("SELECT (\(sql))::double precision", as: Double.self) }
        }

        @Test(arguments: [3600, -3600])
        func `A worker whose clock is an hour off is neither early nor late, in nothing`(secondsOff: Int) async throws {
            let faults = #"{"subscribe_app": ["silent_before"]}"#
            try await SimulatedPlatform.with(faults: faults) { platform in
                let tokenEnd = Int(Date.now.timeIntervalSince1970) + 5400
                let result = try await RunningWorker.with(
                    graph: platform.url,
                    database: TestDatabase.current.url,
                    environment: try Self.environment(secondsOff: secondsOff)
                ) { worker in
                    try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    // A lease: as long as the step's, whatever the worker thinks of the time.
                    try await Customer.enqueue(1...1, end: "ends\(tokenEnd)")
                    try await eventually("a call hangs", within: .seconds(20)) {
                        try await count("embark.jobs WHERE step = 'subscribe_app' AND lease_id IS NOT NULL") == 1
                    }
                    let left = try await Self.number(
                        "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM embark.jobs WHERE signup_id = 1"
                    )
                    // Its own 25 s, and up to 15 more for one that was leased with the step before.
                    #expect((22.0...40.0).contains(left), "the lease lasts \(left) s")
                    // A token's end is what Graph said, an instant of the whole world's.
                    let end = try await Self.number(
                        "SELECT extract(epoch FROM token_expires_at) FROM embark.signups WHERE id = 1"
                    )
                    #expect(abs(end - Double(tokenEnd)) <= 2, "the token's end is \(end - Double(tokenEnd)) s off")
                    // Codes live 30 seconds from when they were issued: one is dead, one is fresh.
                    try await Customer.enqueue(2...3)
                    try await Self.isDead(4)
                    try await eventually("the fresh ones are tokens", within: .seconds(10)) {
                        try await count("embark.secrets WHERE signup_id IN (2, 3) AND sealed_token IS NOT NULL") == 2
                    }
                    #expect(try await texts("SELECT error_code FROM embark.signups WHERE id = 4") == ["code_expired"])
                    try await Self.pause(platform, worker)
                    try await Self.dueTimes()
                }
                #expect(result.code == 0)
                // It is really off: its log says so.
                let said = try #require(try result.logLines().first?["time"] as? String)
                let time = try Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(said)
                #expect(abs(time.timeIntervalSinceNow - Double(secondsOff)) < 120)
            }
        }

        private static func isDead(_ n: Int) async throws {
            try await script(
                """
                SELECT embark.enqueue_signup(code => '\(Customer.code(n))', waba_id => '\(Customer.wabaID(n))',
                    currency => 'USD', code_issued_at => clock_timestamp() - interval '29.9 seconds')
                """
            )
            try await eventually("the code is dead", within: .seconds(5)) {
                try await count("embark.signups WHERE id = \(n) AND state = 'failed'") == 1
            }
        }

        /// What rests is not called before its time, and within a second of it.
        private static func pause(_ platform: SimulatedPlatform, _ worker: RunningWorker) async throws {
            try await eventually("nobody else has work", within: .seconds(20)) {
                try await count("embark.jobs WHERE signup_id > 1") == 0
            }
            try await script(
                """
                INSERT INTO embark.throttles (scope, until, reason) VALUES ('app', clock_timestamp() + interval '4 s', '4 x');
                NOTIFY embark_throttles
                """
            )
            try await eventually("the worker knows of the pause", within: .seconds(3)) {
                let metrics = try #require(try await worker.get("/metrics")).body.split(separator: "\n")
                return metrics.contains { $0.contains(/^embark_throttled_seconds\{[^}]*"app"[^}]*\} [1-9]/) }
            }
            let before = try platform.ledger("request").count
            try await Customer.enqueue(5...8)
            try await eventually("the pause is over", within: .seconds(10)) {
                let made = try platform.ledger("request").count - before
                let rests = try await count("embark.throttles WHERE scope = 'app' AND until > clock_timestamp()") == 1
                if rests { #expect(made == 0, "called before its time") }
                return !rests
            }
            try await eventually("it is called again", within: .seconds(1)) {
                try platform.ledger("request").count > before
            }
        }

        /// A job is claimed within a second of its time, and not before.
        private static func dueTimes() async throws {
            try await script(
                """
                INSERT INTO embark.signups (flow, plan, waba_id, phone_number_id, code_issued_at)
                SELECT 'api_access_only', '{send_test_message}', '1', '2', now() FROM generate_series(1, 20);
                INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups WHERE plan = '{send_test_message}';
                CREATE TABLE due AS SELECT id, clock_timestamp() + (random() * 3 + 0.5) * interval '1 s' AS due_at
                  FROM embark.signups WHERE plan = '{send_test_message}';
                INSERT INTO embark.jobs (signup_id, step, lane, due_at, sent)
                SELECT id, 'send_test_message', 5, due_at, true FROM due
                """
            )
            try await eventually("all have run", within: .seconds(20)) {
                try await count("embark.jobs AS j JOIN due AS d ON d.id = j.signup_id") == 0
            }
            let off = try await texts(
                """
                SELECT concat_ws(' ', d.id, a.started_at - d.due_at) FROM due AS d
                  LEFT JOIN embark.attempts AS a ON a.signup_id = d.id
                 WHERE a.started_at IS NULL OR NOT a.started_at - d.due_at BETWEEN interval '0' AND interval '1 s'
                """
            )
            #expect(off.isEmpty, "early or late: \(off)")
        }
    }
#endif

// MARK: - The log

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct LogFaultTests {
    private static func work(log: String, _ body: @escaping @Sendable () async throws -> Void = {}) async throws {
        try await SimulatedPlatform.with(faults: #"{"subscribe_app": ["http500", "code:2"]}"#) { platform in
            let url = TestDatabase.current.url
            let result = try await RunningWorker.with(graph: platform.url, database: url, log: log) { worker in
                try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                try await body()
                try await Customer.enqueue(1...5)
                try await Hurry.untilIdle(within: .seconds(60))
            }
            #expect(result.code == 0)
            try await Unharmed.check(platform, signups: 5)
        }
    }

    @Test func `A worker works on when its log is full from the beginning to the end`() async throws {
        try await Self.work(log: "/dev/full")
    }

    @Test func `A worker works on when nobody reads its log any more`() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/embark-log-\(UUID().uuidString)"
        try #require(mkfifo(path, 0o600) == 0)
        defer { #expect(unlink(path) == 0) }
        // Both ends, so that opening waits for nobody. When it is closed the worker's end is the only one.
        let reader = open(path, O_RDWR)
        try #require(reader >= 0)
        try await Self.work(log: path) { #expect(close(reader) == 0) }
    }

    @Test func `A command whose result cannot be written has failed and says why`() async throws {
        let add = "embark signup add --code 1.2.3.x --currency USD >/dev/full"
        let result = try await Command.shell(add)
        #expect(result.code == 1)
        #expect(
            result.err == """
                embark: standard output could not be written: No space left on device
                What the command was to do may have been done: look before you run it again.

                """
        )
        #expect(try await Command.shell("embark signup show 99 2>/dev/full").code == 3)
    }
}

// MARK: - Deployment

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct RollingDeployTests {
    @Test func `Workers are replaced one after the other under load: nothing fails, no attempt is charged`()
        async throws
    {
        try await SimulatedPlatform.with(latency: .milliseconds(120)) { platform in
            let url = TestDatabase.current.url
            let environment = ["EMBARK_CONCURRENCY": "8"]
            let results = try await RunningWorker.several(
                3,
                graph: platform.url,
                database: url,
                environment: environment
            ) { old in
                try await Customer.enqueue(1...240, messageEvery: 3)
                for worker in old {
                    let settled = try await count("embark.attempts")
                    try await eventually("it is under load", within: .seconds(20)) {
                        try await count("embark.attempts") > settled + 20
                    }
                    let told = ContinuousClock.now
                    try worker.send(.terminate)
                    try await eventually("it has ended", within: .seconds(30)) {
                        // Its row goes with its end.
                        try await worker.get("/healthz") == nil
                    }
                    #expect(.now - told < .seconds(30), "it drained for \(.now - told)")
                    #expect(try await count("embark.jobs WHERE attempt > 1") == 0, "an attempt was charged")
                }
                #expect(try await count("embark.jobs") > 0, "it was to end in the middle of the work")
                #expect(try await WorkerProcess.run(platform).code == 0)
            }
            for result in results { #expect(result.code == 0, "\(result.err.suffix(500))") }
            #expect(try await texts("SELECT DISTINCT verdict FROM embark.attempts") == ["done"])
            #expect(try await count("embark.attempts WHERE attempt > 1") == 0)
            try await Unharmed.check(platform, signups: 240)
        }
    }

    @Test func `A worker works with the schema of a later version, and says that it is one`() async throws {
        // What the next version may do: add.
        try await script(
            """
            ALTER TABLE embark.signups ADD COLUMN later text;
            ALTER TABLE embark.jobs ADD COLUMN later integer;
            ALTER TABLE embark.attempts ADD COLUMN later jsonb NOT NULL DEFAULT '{}';
            CREATE TABLE embark.later (id bigint PRIMARY KEY);
            INSERT INTO embark.schema_migrations (version, name, sha256) VALUES (9999, 'm9999_later', repeat('0', 64))
            """
        )
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...5, messageEvery: 2)
            let result = try await WorkerProcess.run(platform)
            #expect(result.code == 0, "\(result.err)")
            let said = try result.logLines().filter {
                ($0["message"] as? String)?.hasPrefix("the schema is newer") == true
            }
            #expect(said.map { $0["schema.version"] as? String } == ["9999"])
            #expect(said.map { $0["level"] as? String } == ["notice"])
            try await Unharmed.check(platform, signups: 5)
        }
        let doctor = try await Command.run("doctor")
        #expect(doctor.all.contains("version 9999 is newer than this program"), "\(doctor.all)")
    }
}
