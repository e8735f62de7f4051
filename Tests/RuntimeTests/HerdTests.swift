/// A hundred thousand jobs are due in the same millisecond and sixteen workers start together; and rows that no worker can run
/// stand in front of all others.
import Foundation
import NIOCore
import Onboarding
import Postgres
import Subprocess
import Support
import Synchronization
import Testing

/// Sixteen processes take the whole machine: nothing else runs beside them (scripts/test).
@Suite(.serialized, .timeLimit(.minutes(10)))
struct HerdTests {
    private static let jobs = 100_000
    private static let workers = 16

    /// Jobs that end when they are claimed: a message whose mark is set and whose worker is gone is not sent again. Each is a
    /// claim, a settlement, an attempt and an outcome, and no call.
    private static let herd = """
        INSERT INTO embark.signups (flow, plan, waba_id, phone_number_id, code_issued_at)
        SELECT 'api_access_only', '{send_test_message}', n, n, now() FROM generate_series(1, \(jobs)) AS n;
        INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups;
        INSERT INTO embark.jobs (signup_id, step, lane, due_at, sent)
        SELECT id, 'send_test_message', 5, date_trunc('milliseconds', now()), true FROM embark.signups;
        ANALYZE
        """

    @Test func `A hundred thousand jobs are due at once and sixteen workers start together: each runs once`()
        async throws
    {
        // As PostgreSQL comes: 100 connections.
        try await PrivateServer.configured(settings: ["fsync=off"]) { server in
            try await script(Self.herd, deadline: .seconds(120))
            #expect(try await texts("SHOW max_connections") == ["100"])
            #expect(try await count("embark.jobs WHERE due_at <= now()") == Int64(Self.jobs))
            let most = Mutex(Int64(0))
            try await SimulatedPlatform.with { platform in
                let results = try await RunningWorker.several(
                    Self.workers,
                    graph: platform.url,
                    database: server.url,
                    environment: ["EMBARK_LOG_LEVEL": "info"]
                ) { running in
                    try await withConnection { connection in
                        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'embark %'"
                        try await eventually("all are done", within: .seconds(300)) {
                            let now = try await connection.value(sessions, as: Int64.self)
                            most.withLock { $0 = max($0, now) }
                            return try await connection.value("SELECT count(*) FROM embark.jobs", as: Int64.self) == 0
                        }
                        for worker in running { #expect(try await worker.isReady(), "it works, and listens") }
                    }
                }
                for result in results {
                    #expect(result.code == 0)
                    let bad = try result.logLines().filter { ["warning", "error"].contains($0["level"] as? String) }
                    #expect(bad.isEmpty, "\(bad.prefix(3))")
                }
                #expect(try platform.ledger("request").isEmpty)
            }
            let sessions = most.withLock(\.self)
            #expect((Int64(Self.workers)...Int64(3 * Self.workers)).contains(sessions), "\(sessions) connections")
            try await Self.check()
        }
    }

    private static func check() async throws {
        #expect(try await count("embark.attempts") == Int64(jobs), "some ran twice")
        #expect(try await count("(SELECT DISTINCT signup_id FROM embark.attempts) AS a") == Int64(jobs))
        #expect(try await count("embark.outcomes") == Int64(jobs))
        #expect(try await count("embark.signups WHERE state = 'completed'") == Int64(jobs))
        let workers = try await count("(SELECT DISTINCT worker_id FROM embark.attempts) AS w")
        let rate = try await texts(
            """
            SELECT round(count(*) / extract(epoch FROM max(finished_at) - min(finished_at)))::text FROM embark.attempts
            """
        )
        print("herd: \(jobs) jobs by \(workers) of \(Self.workers) workers, \(rate[0]) jobs/s")
        #expect(workers > Int64(Self.workers / 2), "few workers had a share: \(workers)")
    }
}

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct PoisonedHeadTests {
    @Test func `Two thousand rows that nobody can run do not keep the signups behind them waiting`() async throws {
        // More than a claim takes, older than everything, in both lanes; some without a signup, some with impossible ids.
        try await script(
            """
            INSERT INTO embark.signups (flow, plan, code_issued_at)
            SELECT 'cloud_api', '{fly_to_the_moon}', now() FROM generate_series(1, 1000);
            INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups;
            INSERT INTO embark.jobs (signup_id, step, lane, due_at, give_up_at)
            SELECT id, 'fly_to_the_moon', id % 2 * 5, '1900-01-01', '9999-12-31' FROM embark.signups;
            INSERT INTO embark.jobs (signup_id, step, lane, due_at)
            SELECT -n, 'exchange_code', n % 2 * 5, '-infinity' FROM generate_series(1, 1000) AS n
            """
        )
        try await SimulatedPlatform.with { platform in
            let url = TestDatabase.current.url
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: url,
                environment: ["EMBARK_LOG_LEVEL": "critical"]
            ) { worker in
                try await Customer.enqueue(1...20)
                try await eventually("those behind them are completed", within: .seconds(20)) {
                    try await count("embark.signups WHERE state = 'completed'") == 20
                }
                try await eventually("all are set aside", within: .seconds(20)) { try await count("embark.jobs") == 0 }
            }
            #expect(result.code == 0)
            #expect(
                try await texts(
                    "SELECT DISTINCT concat_ws(' ', error_code, waiting_on) FROM embark.signups WHERE state = 'failed'"
                )
                    == ["unreadable_row operator"]
            )
            #expect(try await count("embark.signups WHERE state = 'failed'") == 1000)
            #expect(try platform.effects("exchange_code", by: "code").values.allSatisfy { $0 == 1 })
        }
    }
}
