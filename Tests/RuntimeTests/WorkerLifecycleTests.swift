/// A worker process from its start to its end: waiting, draining, dying, freezing, and what others do about it.
import Foundation
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Subprocess
import Support
import Synchronization
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct WorkerLifecycleTests {
    /// Effects that must not happen twice, by the thing that each befalls.
    private static let once = [
        ("exchange_code", "code"), ("share_credit_line", "waba_id"), ("register_phone", "phone_number_id"),
        ("send_test_message", "phone_number_id"),
    ]

    private func expectEachOnce(_ platform: SimulatedPlatform, _ count: Int) throws {
        for (effect, key) in Self.once {
            let counts = try platform.effects(effect, by: key)
            #expect(counts.values.allSatisfy { $0 == 1 }, "\(effect) happened twice: \(counts)")
            if effect != "send_test_message" { #expect(counts.count == count, "\(effect)") }
        }
    }

    private func jobs(_ condition: String) async throws -> Int64 {
        try await count("embark.jobs WHERE \(condition)")
    }

    @Test func `Without a database a worker waits, says so once, and works when the database comes`() async throws {
        try await PrivateServer.with { server in
            try await withConnection(to: server.url) { connection in
                try await Migrator().migrate(on: connection)
                let installation = Installation(appID: "1", creditLineID: "2", systemUserID: "3")
                try await InstallationStore.write(installation, on: connection)
            }
            try await server.stop()
            try await SimulatedPlatform.with { platform in
                let result = try await RunningWorker.with(graph: platform.url, database: server.url) { worker in
                    try await eventually("it is alive", within: .seconds(10)) {
                        try await worker.get("/healthz")?.status == 200
                    }
                    // Longer than one look for the database takes.
                    let looked = ContinuousClock.now + .seconds(4)
                    try await eventually("it has looked more than once", within: .seconds(10)) {
                        let readiness = try await worker.get("/readyz")
                        #expect(readiness?.status == 503)
                        #expect(readiness?.body.contains("NOT OK  database reachable") == true)
                        return .now > looked
                    }
                    try await server.start()
                    try await eventually("it is ready", within: .seconds(10)) { try await worker.isReady() }
                    try await withConnection(to: server.url) { connection in
                        try await connection.script(
                            """
                            INSERT INTO embark.signup_inbox (code, currency)
                            VALUES ('\(Customer.code(1))', 'USD')
                            """
                        )
                        try await eventually("the signup is completed", within: .seconds(20)) {
                            try await connection.value(
                                "SELECT count(*) FROM embark.signups WHERE state = 'completed'",
                                as: Int64.self
                            ) == 1
                        }
                    }
                }
                #expect(result.code == 0)
                let waiting = try result.logLines().filter { $0["message"] as? String == "waiting for the database" }
                #expect(waiting.count == 1)
            }
        }
    }

    @Test func `SIGTERM under load fails nothing and charges no attempt`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(150)) { platform in
            try await Customer.enqueue(1...40)
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_CONCURRENCY": "16"]
            ) { worker in
                try await eventually("steps are settled", within: .seconds(20)) {
                    try await count("embark.attempts") > 30
                }
                try worker.send(.terminate)
            }
            #expect(result.code == 0)
            #expect(try await texts("SELECT DISTINCT verdict FROM embark.attempts") == ["done"])
            #expect(try await jobs("lease_id IS NOT NULL OR attempt > 0 OR sent") == 0)
            #expect(try await jobs("true") > 0, "it was to end in the middle of the work")
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
            try expectEachOnce(platform, 40)
        }
    }

    @Test func `What cannot end within the drain limit is given back, uncharged`() async throws {
        try await SimulatedPlatform.with(
            faults: #"{"subscribe_app": ["silent_before", "silent_before", "silent_before"]}"#
        ) { platform in
            try await Customer.enqueue(1...3)
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_DRAIN_SECONDS": "1"]
            ) { worker in
                try await eventually("all calls hang", within: .seconds(20)) {
                    try await jobs("step = 'subscribe_app' AND lease_id IS NOT NULL") == 3
                }
                try worker.send(.terminate)
                try await eventually("it says that it drains", within: .seconds(3)) {
                    let readiness = try await worker.get("/readyz")
                    return readiness == nil || readiness?.body.contains("NOT OK  not draining") == true
                }
            }
            #expect(result.code == 0)
            #expect(try await jobs("lease_id IS NULL AND attempt = 0 AND due_at <= now()") == 3)
            #expect(try await texts("SELECT DISTINCT verdict FROM embark.attempts") == ["done"])
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
        }
    }

    @Test func `What a killed worker had not sent is claimed by another within a second`() async throws {
        // Other tests share the processors: of three deaths one has to be noticed in time, and each without a loss.
        var fastest = Duration.seconds(60)
        for round in 0..<3 where fastest > .seconds(1) {
            fastest = min(fastest, try await timeFromDeathToClaim(of: (round * 3 + 1)...(round * 3 + 3)))
        }
        #expect(fastest < .seconds(1))
    }

    /// Three customers whose first calls to subscribe hang in a worker that is killed, while a second one runs.
    private func timeFromDeathToClaim(of customers: ClosedRange<Int>) async throws -> Duration {
        let took = Mutex(Duration.seconds(60))
        let faults = #"{"subscribe_app": ["silent_before", "silent_before", "silent_before"]}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(customers)
            _ = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) { first in
                try await eventually("all calls hang", within: .seconds(20)) {
                    try await jobs("step = 'subscribe_app' AND lease_id IS NOT NULL") == 3
                }
                _ = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) { second in
                    try await eventually("the second is ready", within: .seconds(20)) { try await second.isReady() }
                    let killed = ContinuousClock.now
                    try first.send(.kill)
                    try await eventually("the second has gone on", within: .seconds(10)) {
                        try await jobs("step = 'subscribe_app' AND interrupted = 0") == 0
                    }
                    took.withLock { $0 = .now - killed }
                    try await eventually("all are completed", within: .seconds(20)) { try await jobs("true") == 0 }
                }
            }
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
            try expectEachOnce(platform, customers.count)
        }
        return took.withLock(\.self)
    }

    @Test func `With only its presence cut a worker loses nothing`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(60)) { platform in
            try await Customer.enqueue(1...60, messageEvery: 2)
            let url = TestDatabase.current.url
            let result = try await RunningWorker.with(graph: platform.url, database: url) { _ in
                _ = try await RunningWorker.with(graph: platform.url, database: url) { second in
                    try await eventually("the second is ready", within: .seconds(20)) { try await second.isReady() }
                    try await eventually("all are completed", within: .seconds(60)) {
                        try await script(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE application_name = 'embark listen' AND datname = current_database()
                            """
                        )
                        return try await jobs("true") == 0
                    }
                }
            }
            #expect(result.code == 0)
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
            try expectEachOnce(platform, 60)
        }
    }

    @Test func `A frozen worker that wakes after its lease makes no second effect`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(80)) { platform in
            try await Customer.enqueue(1...12, messageEvery: 1)
            let url = TestDatabase.current.url
            let result = try await RunningWorker.with(graph: platform.url, database: url) { frozen in
                try await eventually("it is in the middle", within: .seconds(20)) {
                    try await jobs("lease_id IS NOT NULL AND step <> 'exchange_code'") > 5
                }
                try frozen.send(.suspend)
                try await script("UPDATE embark.jobs SET due_at = now()")
                #expect(try await WorkerProcess.run(platform).code == 0)
                let settled = try await count("embark.attempts")
                try frozen.send(.resume)
                try await eventually("its late results are recorded", within: .seconds(20)) {
                    try await count("embark.attempts WHERE verdict = 'stale'") > 0
                }
                #expect(try await count("embark.attempts WHERE verdict <> 'stale'") == settled)
            }
            #expect(result.code == 0)
            let ended = try await texts("SELECT DISTINCT concat_ws(' ', state, error_code) FROM embark.signups")
            // A message or an exchange that was on its way when it froze may be in doubt; nothing else may.
            #expect(ended.allSatisfy { ["completed", "failed code_spent"].contains($0) }, "\(ended)")
            for (effect, key) in Self.once {
                let counts = try platform.effects(effect, by: key)
                #expect(counts.values.allSatisfy { $0 == 1 }, "\(effect) happened twice: \(counts)")
            }
        }
    }

    @Test func `A job that ends five workers is set aside`() async throws {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1)
            for _ in 1...5 {
                let killed = try await WorkerProcess.run(
                    platform,
                    environment: ["EMBARK_TEST_KILL": "sent_mark:debug_token"]
                )
                #expect(killed.code == nil)
                try await script("UPDATE embark.jobs SET due_at = now()")
            }
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', step, error_code, waiting_on) FROM embark.signup_status") == [
                    "verify_grant interrupted operator"
                ]
            )
        }
    }

    @Test func `A job that has interrupted three workers runs alone`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(30)) { platform in
            try await Customer.enqueue(1...10)
            // Three workers met their end with it; its row still names the last one.
            try await script("UPDATE embark.jobs SET interrupted = 2, worker_id = 999 WHERE signup_id = 5")
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
            // Its exchange: from the request to the effect nobody else made a call.
            let exchange = try platform.ledger("request").map { $0["path"] ?? "" }
            #expect(exchange.count > 10)
            let alone = try await texts(
                """
                SELECT count(*)::text FROM embark.attempts AS a JOIN embark.attempts AS o
                    ON o.signup_id <> a.signup_id AND o.started_at < a.finished_at AND o.finished_at > a.started_at
                 WHERE a.signup_id = 5 AND a.step = 'exchange_code'
                """
            )
            #expect(alone == ["0"])
        }
    }
}
