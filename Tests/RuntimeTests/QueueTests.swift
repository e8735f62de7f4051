/// The queue's statements against a real server: leases fence, late facts are kept, plans do not drift.
import Foundation
import Logging
import Onboarding
import Postgres
import SQL
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct QueueTests {
    private static func withQueue<Result>(
        worker: Int64 = 1,
        _ body: (JobQueue) async throws -> Result
    ) async throws -> Result {
        var options = try ConnectionOptions(TestDatabase.current.url, applicationName: "tests")
        options.sessionSettings = WorkerSettings.stablePlans
        let pool = Pool(options, size: 2)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(
                try await body(JobQueue(pool: pool, workerID: worker, host: "test", processID: 1))
            )
        } catch {
            outcome = .failure(error)
        }
        await pool.close()
        return try outcome.get()
    }

    private func settlement(
        _ row: ClaimRow,
        lease: Int64,
        _ verdict: Verdict,
        token: String? = nil
    ) throws -> Settlement {
        let job = try row.job.get()
        let transition = Transition(
            Transition.Job(step: job.step, attempt: job.attempt),
            plan: job.signup.plan,
            verdict: verdict,
            jitter: 0
        )
        return Settlement(
            lease: Lease(signupID: row.signupID, id: lease),
            job: job,
            seconds: 0.1,
            transition: transition,
            sealedToken: token
        )
    }

    private let token = Verdict.done(Facts(businessToken: Secret("EAAtoken"), tokenLifetimeSeconds: 60))

    @Test func `A failure is recorded however long an id Graph gives the call`() async throws {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let row = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 11, from: nil).first)
            // Four bytes each, and nothing that could be compressed: longer than an index takes.
            let id = String(
                String.UnicodeScalarView(
                    (0..<1000).compactMap { Unicode.Scalar(0x20000 + ($0 * 7919) % 42_000 as UInt32) }
                )
            )
            let problem = Problem(code: "3", message: "no", httpStatus: 400, fbtraceID: id)
            let failed = try settlement(row, lease: 11, .fail(problem, waitingOn: .operator))
            let settler = Settler(queue: queue, logger: .init(label: "test"))
            #expect(await settler.write([.init(settlement: failed, leaseEnd: .now + .seconds(5))]) == [true])
            let stored = try #require(try await texts("SELECT fbtrace_id FROM embark.attempts").first)
            #expect(stored.hasSuffix("…") && id.hasPrefix(stored.dropLast()))
        }
    }

    @Test func `A result that comes after another worker's claim moves nothing, and its token is kept`() async throws {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let first = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 11, from: nil).first)
            try await script("UPDATE embark.jobs SET due_at = now()")
            let second = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 22, from: nil).first)
            #expect(second.interrupted == 1)

            let late = try settlement(first, lease: 11, token, token: "sealed late")
            let settler = Settler(queue: queue, logger: .init(label: "test"))
            let moved = await settler.write([.init(settlement: late, leaseEnd: .now + .seconds(5))])
            #expect(moved == [false])
            #expect(try await texts("SELECT step || ' ' || lease_id FROM embark.jobs") == ["exchange_code 22"])
            #expect(try await texts("SELECT verdict || ' ' || lease_id FROM embark.attempts") == ["stale 11"])
            #expect(
                try await texts("SELECT sealed_token || ' ' || (code IS NOT NULL) FROM embark.secrets") == [
                    "sealed late true"
                ]
            )
            // The one that holds the lease moves it, and a token of its own counts more.
            let right = try settlement(second, lease: 22, token, token: "sealed right")
            #expect(await settler.write([.init(settlement: right, leaseEnd: .now + .seconds(5))]) == [true])
            #expect(
                try await texts("SELECT sealed_token || coalesce(code, ' -') FROM embark.secrets") == ["sealed right -"]
            )
            #expect(try await texts("SELECT step FROM embark.jobs WHERE lease_id IS NULL") == ["verify_grant"])
        }
    }

    @Test func `Of a batch with a late result the others move, and each hears what became of its own`() async throws {
        try await Customer.enqueue(1...3)
        try await Self.withQueue { queue in
            let rows = try await queue.claim(lane: 0, limit: 3, leaseID: 11, from: nil)
            let late = try #require(rows.dropFirst().first).signupID
            try await script("UPDATE embark.jobs SET lease_id = 22 WHERE signup_id = \(late)")
            let batch = try rows.map { row in
                Settler.Result(
                    settlement: try settlement(row, lease: 11, token, token: "sealed"),
                    leaseEnd: .now + .seconds(5)
                )
            }
            let moved = await Settler(queue: queue, logger: .init(label: "test")).write(batch)
            #expect(moved == [true, false, true])
            #expect(try await texts("SELECT signup_id::text FROM embark.jobs WHERE lease_id = 22") == ["\(late)"])
            #expect(
                try await texts("SELECT signup_id::text FROM embark.attempts WHERE verdict = 'stale'") == ["\(late)"]
            )
            #expect(try await count("embark.jobs WHERE step = 'verify_grant'") == 2)
        }
    }

    @Test func `A late result and an operator take their locks in the same order`() async throws {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let row = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 11, from: nil).first)
            let late = try settlement(row, lease: 10, token, token: "sealed late")
            try await withConnection { holder in
                // As a replay with another PIN does: the signup first, then its secrets. In the other order the two would wait
                // for each other.
                try await holder.script("BEGIN; SELECT FROM embark.signups FOR UPDATE")
                async let recorded: Void = queue.recordLate([late])
                try await eventually("the result waits for the signup", within: .seconds(20)) {
                    try await texts(
                        """
                        SELECT count(*)::text FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'
                        """
                    ) == ["1"]
                }
                try await holder.script("UPDATE embark.secrets SET pin = '123456'; COMMIT")
                try await recorded
            }
            #expect(try await texts("SELECT verdict || ' ' || lease_id FROM embark.attempts") == ["stale 10"])
            #expect(try await texts("SELECT sealed_token || ' ' || pin FROM embark.secrets") == ["sealed late 123456"])
        }
    }

    @Test func `A settlement that is sent twice moves its job once, and the second time is recognised`() async throws {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let row = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 11, from: nil).first)
            var settlement = try settlement(row, lease: 11, token, token: "sealed")
            settlement.nextLease = Lease(signupID: row.signupID, id: 12)
            #expect(try await queue.settle([settlement]) == [settlement.lease])
            #expect(try await queue.settle([settlement]).isEmpty)
            #expect(try await queue.settled(of: [settlement]) == [settlement.lease])
            #expect(
                try await texts("SELECT concat_ws(' ', step, lease_id, attempt, worker_id) FROM embark.jobs") == [
                    "verify_grant 12 1 1"
                ]
            )
        }
    }

    @Test func `No call is allowed when the lease is gone or over`() async throws {
        try await Customer.enqueue(1...3)
        try await Self.withQueue { queue in
            let rows = try await queue.claim(lane: 0, limit: 3, leaseID: 11, from: nil)
            let leases = rows.map { Lease(signupID: $0.signupID, id: 11) }
            try await script("UPDATE embark.jobs SET due_at = now() - interval '1 ms' WHERE signup_id = 2")
            try await script("UPDATE embark.jobs SET lease_id = 12 WHERE signup_id = 3")
            #expect(try await queue.markSent(leases).map(\.signupID) == [1])
            // An old lease and a new one of the same job, asked for together by one process: the new one alone may send.
            let marks = SentMarks.batcher(queue)
            async let running: Void = marks.run()
            async let old = marks.submit(Lease(signupID: 3, id: 11))
            async let new = marks.submit(Lease(signupID: 3, id: 12))
            let (first, second) = (try await old.get(), try await new.get())
            #expect(first == .leaseLost)
            #expect(second == .granted)
            marks.end()
            await running
        }
    }

    @Test func `What is given back is not charged, and what may have been sent keeps its lease`() async throws {
        try await Customer.enqueue(1...2)
        try await Self.withQueue { queue in
            let rows = try await queue.claim(lane: 0, limit: 2, leaseID: 11, from: nil)
            let leases = rows.map { Lease(signupID: $0.signupID, id: 11) }
            _ = try await queue.markSent([leases[0]])
            try await queue.giveBack(leases)
            #expect(
                try await texts(
                    "SELECT concat_ws(' ', signup_id, lease_id, attempt, due_at <= clock_timestamp()) FROM embark.jobs ORDER BY 1"
                ) == ["\(leases[0].signupID) 11 1 f", "\(leases[1].signupID) 0 t"]
            )
        }
    }

    @Test func `A worker whose presence is held is not absent; of one that is gone the unsent rows are due`()
        async throws
    {
        try await Customer.enqueue(1...2)
        try await script(
            "INSERT INTO embark.workers (host, pid, version) VALUES ('a', 1, '1'), ('b', 2, '1'), ('c', 3, '1')"
        )
        try await Self.withQueue(worker: 2) { queue in
            let rows = try await queue.claim(lane: 0, limit: 2, leaseID: 11, from: nil)
            _ = try await queue.markSent([Lease(signupID: rows[0].signupID, id: 11)])
        }
        try await Self.withQueue(worker: 1) { queue in
            try await withConnection { holder in
                _ = try await holder.run(Queries.takePresence(3))
                let absent = try await queue.absentWorkers()
                #expect(absent == [2])
            }
            try await eventually("the server has let go of it") { try await queue.absentWorkers() == [2, 3] }
            #expect(try await queue.release(absent: [2]) == 1)
            #expect(try await count("embark.jobs WHERE due_at <= clock_timestamp() AND NOT sent") == 1)
            #expect(try await count("embark.jobs WHERE due_at > clock_timestamp() AND sent") == 1)
        }
    }

    @Test func `One number is registered by one signup at a time, four times by itself and nine with replays`()
        async throws
    {
        try await Customer.enqueue(1...1, end: "a")
        try await Customer.enqueue(1...1, end: "b")
        try await script("UPDATE embark.jobs SET step = 'register_phone', lane = 5")
        let precondition = GraphRequest.Precondition.registerCall(phoneNumberID: Customer.phoneID(1))
        try await Self.withQueue { queue in
            let rows = try await queue.claim(lane: 5, limit: 2, leaseID: 11, from: nil)
            let leases = rows.map { Lease(signupID: $0.signupID, id: 11) }.sorted { $0.signupID < $1.signupID }
            #expect(try await queue.permission(for: precondition, lease: leases[0]) == .granted)
            let elsewhere = JobQueue.Permission.refused(.registerElsewhere(signupID: leases[0].signupID))
            #expect(try await queue.permission(for: precondition, lease: leases[1]) == elsewhere)
            // It has ended, but after the second one was claimed, which has read the status before.
            let row = try #require(rows.first { $0.signupID == leases[0].signupID })
            let refused = try settlement(row, lease: 11, .retry(Problem(code: "133004", message: "down")))
            #expect(try await queue.settle([refused]).count == 1)
            #expect(try await queue.permission(for: precondition, lease: leases[1]) == elsewhere)
            // It has said that it waits, and is claimed anew: it may. Then the quota counts, whoever calls.
            try await script(
                """
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
                VALUES (\(leases[1].signupID), 1, 'register_phone', 1, 'retry', now(), now());
                UPDATE embark.jobs
                   SET due_at = CASE signup_id WHEN \(leases[1].signupID) THEN now() ELSE now() + interval '1 hour' END
                """
            )
            _ = try await queue.claim(lane: 5, limit: 1, leaseID: 12, from: nil)
            let again = Lease(signupID: leases[1].signupID, id: 12)
            for _ in 2...4 { #expect(try await queue.permission(for: precondition, lease: again) == .granted) }
            #expect(try await queue.permission(for: precondition, lease: again) == .refused(.registerQuota(used: 4)))
            for used in 4..<9 {
                try await script("UPDATE embark.jobs SET by_operator = true WHERE signup_id = \(again.signupID)")
                #expect(try await queue.permission(for: precondition, lease: again) == .granted)
                // A replay is one call: what follows is Embark's own again.
                let own = JobQueue.Permission.refused(.registerQuota(used: used + 1))
                #expect(try await queue.permission(for: precondition, lease: again) == own)
            }
            try await script("UPDATE embark.jobs SET by_operator = true WHERE signup_id = \(again.signupID)")
            #expect(try await queue.permission(for: precondition, lease: again) == .refused(.registerQuota(used: 9)))
        }
    }

    @Test func `A cancelled signup's call to a number is waited for until its result has come, or a lease's time`()
        async throws
    {
        try await Customer.enqueue(1...1, end: "a")
        try await Customer.enqueue(1...1, end: "b")
        try await script("UPDATE embark.jobs SET step = 'register_phone', lane = 5")
        let precondition = GraphRequest.Precondition.registerCall(phoneNumberID: Customer.phoneID(1))
        try await Self.withQueue { queue in
            _ = try await queue.claim(lane: 5, limit: 2, leaseID: 11, from: nil)
            let (first, second) = (Lease(signupID: 1, id: 11), Lease(signupID: 2, id: 11))
            #expect(try await queue.permission(for: precondition, lease: first) == .granted)
            try await script("SELECT embark.cancel(1)")
            let elsewhere = JobQueue.Permission.refused(.registerElsewhere(signupID: 1))
            #expect(try await queue.permission(for: precondition, lease: second) == elsewhere)
            try await script("UPDATE embark.register_calls SET called_at = now() - interval '51 s'")
            #expect(try await queue.permission(for: precondition, lease: second) == .granted)
        }
    }

    @Test func `Old attempts are deleted in batches, young ones stay`() async throws {
        try await script(
            """
            INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
            SELECT g, 1, 'exchange_code', 1, 'done', now(), now() - g * interval '1 day' FROM generate_series(1, 100) AS g
            """
        )
        try await Self.withQueue { queue in
            var deleted: [Int] = []
            for _ in 1...3 { deleted.append(try await queue.deleteOldAttempts(days: 90, limit: 7)) }
            #expect(deleted == [7, 4, 0])
        }
        #expect(try await texts("SELECT max(signup_id)::text FROM embark.attempts") == ["89"])
    }

    /// The statements that every step costs, with parameters that a worker would give.
    private static let hot: [(SQL.File, String)] = [
        (SQL.claim, "5::smallint, 100, 1, 11, '{verify_grant}', '{25}', NULL, NULL, '{3600}'"),
        (SQL.markSent, "'{1,2}', '{11,11}'"),
        (
            SQL.settle,
            "'{1,2}', '{11,11}', '{1,1}', '{verify_grant,verify_grant}', '{1,1}', '{done,done}', '{0.1,0.1}', "
                + "'{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{subscribe_app,NULL}', '{25,0}', "
                + "'{3600,NULL}', '{t,t}', '{12,NULL}', '{NULL,completed}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', "
                + "'{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', "
                + "'{NULL,NULL}', '{NULL,NULL}', 1"
        ),
    ]

    @Test func `The plans of the hot statements are the same on an empty queue and on a long one`() async throws {
        var options = try ConnectionOptions(TestDatabase.current.url, applicationName: "tests")
        options.sessionSettings = WorkerSettings.stablePlans
        let connection = try await Connection.open(options)
        for (file, _) in Self.hot {
            try await connection.script("PREPARE \(file.name) AS \(file.text)")
        }
        var plans: [[String]] = []
        // As many rows as the table gets between two looks; statistics come and go as they like.
        for (rows, analyze) in [(0, false), (10_000, false), (10_000, true), (200_000, true)] {
            try await script(
                """
                INSERT INTO embark.signups (flow, plan, code_issued_at)
                SELECT 'cloud_api', '{exchange_code}', now() FROM generate_series(1, \(rows));
                INSERT INTO embark.jobs (signup_id, step, lane, due_at)
                SELECT s.id, 'verify_grant', 5, now() FROM embark.signups AS s ON CONFLICT DO NOTHING;
                \(analyze ? "ANALYZE embark.jobs, embark.signups;" : "")
                """,
                // To fill the tables is not what is looked at, and hundreds of tests run beside.
                deadline: .seconds(120)
            )
            var seen: [String] = []
            for (file, parameters) in Self.hot {
                let lines = try await connection.values("EXPLAIN EXECUTE \(file.name)(\(parameters))", as: String.self)
                #expect(!lines.contains { $0.contains("Seq Scan") }, "\(file.name): \(lines.joined(separator: "\n"))")
                seen += lines.filter { line in
                    ["Scan using", "Tid Scan", "Index Cond", "TID Cond"].contains { line.contains($0) }
                }.map(Self.withoutCosts)
            }
            plans.append(seen)
        }
        await connection.close()
        #expect(Set(plans).count == 1, "\(plans)")
        let plan = try #require(plans.first)
        #expect(plan.contains("Index Scan using jobs_claim on jobs c_1"))
        #expect(plan.contains("Tid Scan on jobs j"))
        // Each job of a result is looked up by its key, and so is what else is written.
        #expect(
            plan.count { $0 == "Index Cond: (signup_id = i.signup_id)" || $0.hasPrefix("Index Cond: (signup_id = i_") }
                == 3
        )
        #expect(plan.contains { $0.hasPrefix("Index Cond: (id = ") })
    }

    private static func withoutCosts(_ line: String) -> String {
        let end = line.range(of: "  (cost=")?.lowerBound ?? line.endIndex
        let text = line[..<end].trimmingCharacters(in: .whitespaces)
        return text.replacing("->  ", with: "")
    }
}
