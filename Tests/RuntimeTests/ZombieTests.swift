/// A worker is frozen for longer than its lease and wakes: nothing that it does then counts, and nothing happens twice.
import Foundation
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct ZombieTests {
    /// Calls that must not be repeated, and after how many seconds of its lease each is not begun any more.
    private static let marked = [
        "exchange_code": 8.0, "send_test_message": 6, "register_phone": 21, "share_credit_line": 31,
    ]

    @Test(arguments: OnboardingKillTests.deaths)
    func `A worker that is frozen there wakes behind its lease, and all that it writes is stale`(
        death: OnboardingKillTests.Death
    ) async throws {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1, messageEvery: 1)
            let step = death.at.split(separator: ":").last.map(String.init) ?? ""
            let zombie = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_TEST_STOP": death.at]
            ) { zombie in
                try await eventually("it is frozen", within: .seconds(20)) { try zombie.isFrozen }
                let frozen = ContinuousClock.now
                // The rows move, not the clock; whoever is frozen before a call that must not be repeated judges by its own.
                try await script(
                    """
                    UPDATE embark.jobs SET due_at = now();
                    UPDATE embark.credit_shares SET sent_at = sent_at - interval '61 s'
                    """
                )
                #expect(try await WorkerProcess.run(platform).code == 0)
                let written = try await Self.state()
                if death.at.hasPrefix("sent_mark"), let seconds = Self.marked[step] {
                    try await eventually("its time is over", within: .seconds(60)) { .now - frozen > .seconds(seconds) }
                }
                try zombie.send(.resume)
                try zombie.send(.terminate)
                try await eventually("it has ended", within: .seconds(40)) { try await zombie.get("/healthz") == nil }
                #expect(try await Self.state() == written, "a late result has moved something")
            }
            #expect(zombie.code == 0, "\(zombie.err.suffix(1000))")
            if death.at.hasPrefix("effect") || death.at.hasPrefix("settle") {
                #expect(try await count("embark.attempts WHERE verdict = 'stale'") == 1)
            }
            try await Unharmed.check(
                platform,
                signups: 1,
                ends: ["completed", "failed code_spent"]
            )
            let ended = try await texts(
                """
                SELECT concat_ws(' ', state, error_code, waiting_on, nullif(array_to_string(warnings, ' '), ''))
                  FROM embark.signup_status
                """
            )
            #expect(ended == [death.ends])
        }
    }

    /// All that a result may move, but for what is kept of a late one.
    private static func state() async throws -> [String] {
        try await texts(
            """
            SELECT concat_ws(' ', s.state, s.generation, s.failed_step, s.error_code, s.warnings, s.waba_id,
                             (SELECT count(*) FROM embark.jobs), (SELECT count(*) FROM embark.outcomes),
                             (SELECT string_agg(a.step || a.verdict || a.lease_id, ' ' ORDER BY a.finished_at)
                                FROM embark.attempts AS a WHERE a.verdict <> 'stale'))
              FROM embark.signups AS s
            """
        )
    }
}

extension RunningWorker {
    /// Stopped by a signal, as the kernel has it.
    var isFrozen: Bool {
        get throws {
            let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
            return status.contains("State:\tT")
        }
    }
}

/// What a worker that is killed had sent is not another's before its lease has ended, and is within a second of that.
@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct LeaseEndTests {
    @Test func `What a killed worker may have sent is claimed when its lease ends, and not before`() async throws {
        try await SimulatedPlatform.with { platform in
            let url = TestDatabase.current.url
            try await Customer.enqueue(1...1, messageEvery: 1)
            let killed = try await WorkerProcess.run(
                platform,
                environment: ["EMBARK_TEST_KILL": "effect:send_test_message"]
            )
            #expect(killed.code == nil)
            // The lease's last three seconds.
            try await script(
                "UPDATE embark.jobs SET due_at = clock_timestamp() + interval '3 s'; CREATE TABLE due AS SELECT due_at FROM embark.jobs"
            )
            let result = try await RunningWorker.with(graph: platform.url, database: url) { _ in
                try await eventually("it is completed", within: .seconds(20)) { try await count("embark.jobs") == 0 }
            }
            #expect(result.code == 0)
            let times = try await texts(
                """
                SELECT concat_ws(' ', a.started_at >= d.due_at, a.started_at < d.due_at + interval '1 s')
                  FROM embark.attempts AS a, due AS d WHERE a.step = 'send_test_message'
                """
            )
            #expect(times == ["t t"])
            try await Unharmed.check(platform, signups: 1)
        }
    }
}
