/// How long a step is tried, how long a token lives and how long a pause lasts, as the statements keep them.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct HorizonTests {
    private static func withQueue<Result>(_ body: (JobQueue) async throws -> Result) async throws -> Result {
        let pool = Pool(try ConnectionOptions(TestDatabase.current.url, applicationName: "tests"), size: 2)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(JobQueue(pool: pool, workerID: 1, host: "test", processID: 1)))
        } catch {
            outcome = .failure(error)
        }
        await pool.close()
        return try outcome.get()
    }

    // MARK: Horizons

    /// What a job's row says before the claim, and how many seconds it has left after it.
    static let horizons: [(row: String, left: Double?)] = [
        // It was due two hours ago and had an hour left then: nobody took it, so it has that hour still.
        ("due_at = now() - interval '2 h', give_up_at = now() - interval '1 h'", 3600),
        // Its worker was interrupted: that time was spent on trying.
        ("due_at = now() - interval '1 s', give_up_at = now() + interval '1 h', worker_id = 7, lease_id = 8", 3600),
        // Replayed or resolved: it begins with its step's own.
        ("due_at = now() - interval '2 h', give_up_at = NULL", 3600),
    ]

    @Test(arguments: horizons.indices)
    func `To wait for a worker or for a pause's end uses up no horizon`(index: Int) async throws {
        let (row, left) = Self.horizons[index]
        try await Customer.enqueue(1...1)
        try await script("UPDATE embark.jobs SET step = 'verify_grant', lane = 5, \(row)")
        try await Self.withQueue { queue in
            let claimed = try #require(try await queue.claim(lane: 5, limit: 1, leaseID: 11, from: nil).first)
            let seconds = try claimed.job.get().secondsUntilGiveUp
            #expect(abs((seconds ?? .infinity) - (left ?? .infinity)) < 30, "\(String(describing: seconds))")
        }
    }

    @Test func `A code dies when it dies, however long its job has waited`() async throws {
        try await Customer.enqueue(1...1)
        try await script(
            "UPDATE embark.jobs SET due_at = now() - interval '20 s', give_up_at = now() + interval '10 s'"
        )
        try await Self.withQueue { queue in
            let claimed = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: 11, from: nil).first)
            let seconds = try #require(try claimed.job.get().secondsUntilGiveUp)
            #expect(seconds <= 10)
        }
    }

    /// More than one statement takes, all of them in front of the one that cannot be recovered.
    @Test func `A dead code whose token can be recovered is looked at once, and holds up none that cannot`()
        async throws
    {
        try await script(
            """
            SELECT embark.enqueue_signup(code => 'c', currency => 'USD', business_id => '1' || n) FROM generate_series(1, 500) AS n;
            SELECT embark.enqueue_signup(code => 'c', currency => 'USD');
            UPDATE embark.jobs SET give_up_at = now() - interval '1 s',
                                   due_at = now() + signup_id * interval '1 s' - interval '1 min'
            """
        )
        try await Self.withQueue { queue in
            #expect(try await queue.failDeadCodes(canRecover: true) == 1)
            let left = try await texts(
                "SELECT concat_ws(' ', lane, step, count(*)) FROM embark.jobs GROUP BY lane, step"
            )
            #expect(left == ["5 exchange_code 500"])
            #expect(try await texts("SELECT s.id::text FROM embark.signups AS s WHERE s.state = 'failed'") == ["501"])
            // Whoever takes one there finds the exchange as it was.
            let claimed = try #require(try await queue.claim(lane: 5, limit: 1, leaseID: 11, from: nil).first)
            #expect(try claimed.job.get().step == .exchangeCode)
        }
    }

    @Test func `One process at a time looks for dead codes`() async throws {
        try await script("SELECT embark.enqueue_signup(code => 'c', currency => 'USD')")
        try await script("UPDATE embark.jobs SET give_up_at = now() - interval '1 s'")
        try await Self.withQueue { queue in
            try await withConnection { other in
                try await other.script("BEGIN; SELECT pg_advisory_xact_lock(hashtext('embark'), 3)")
                #expect(try await queue.failDeadCodes(canRecover: true) == 0)
                try await other.script("COMMIT")
            }
            #expect(try await queue.failDeadCodes(canRecover: true) == 1)
        }
    }

    @Test func `Times that nobody can reckon with stop no claim`() async throws {
        try await Customer.enqueue(1...3)
        try await script(
            """
            UPDATE embark.jobs SET due_at = '-infinity', give_up_at = 'infinity', attempt = 2147483647 WHERE signup_id = 1;
            UPDATE embark.signups SET code_issued_at = 'infinity' WHERE id = 2;
            UPDATE embark.jobs SET step = 'verify_grant', due_at = '-infinity', give_up_at = '-infinity' WHERE signup_id = 2
            """
        )
        try await Self.withQueue { queue in
            let rows = try await queue.claim(lane: 0, limit: 9, leaseID: 11, from: nil)
            #expect(rows.count == 3)
        }
    }

    // MARK: Tokens

    private func exchange(_ queue: JobQueue, lease: Int64, lifetime: Int?) async throws -> Settlement {
        let row = try #require(try await queue.claim(lane: 0, limit: 1, leaseID: lease, from: nil).first)
        let job = try row.job.get()
        let facts = Facts(businessToken: Secret("EAAtoken"), tokenLifetimeSeconds: lifetime)
        return Settlement(
            lease: Lease(signupID: row.signupID, id: lease),
            job: job,
            seconds: 0.1,
            transition: Transition(
                Transition.Job(step: job.step, attempt: job.attempt),
                plan: job.signup.plan,
                verdict: .done(facts),
                jitter: 0
            ),
            sealedToken: "sealed \(lease)"
        )
    }

    private static let renewed = """
        UPDATE embark.jobs SET step = 'exchange_code', lane = 0, due_at = now(), lease_id = NULL, worker_id = NULL;
        UPDATE embark.signups SET generation = generation + 1
        """

    @Test func `A new token's end is its own, also when it has none`() async throws {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let first = try await exchange(queue, lease: 11, lifetime: 5_184_000)
            #expect(try await queue.settle([first]).count == 1)
            #expect(try await count("embark.signups WHERE token_expires_at > now() + interval '59 days'") == 1)
            try await script(Self.renewed)
            let second = try await exchange(queue, lease: 12, lifetime: nil)
            #expect(try await queue.settle([second]).count == 1)
            #expect(try await count("embark.signups WHERE token_expires_at IS NULL") == 1)
            #expect(try await texts("SELECT sealed_token FROM embark.secrets") == ["sealed 12"])
        }
    }

    @Test func `A late token of a renewal takes the place of the generation's before, and of no later one`()
        async throws
    {
        try await Customer.enqueue(1...1)
        try await Self.withQueue { queue in
            let first = try await exchange(queue, lease: 11, lifetime: nil)
            #expect(try await queue.settle([first]).count == 1)
            try await script(Self.renewed)
            let late = try await exchange(queue, lease: 12, lifetime: nil)
            // Its lease is lost while the code is with Graph.
            try await script("UPDATE embark.jobs SET lease_id = 99")
            try await queue.recordLate([late])
            #expect(try await texts("SELECT sealed_token FROM embark.secrets") == ["sealed 12"])
            // The signup is past its exchange: what comes now changes nothing.
            try await script(
                "UPDATE embark.jobs SET step = 'verify_grant'; UPDATE embark.secrets SET sealed_token = 'newer'"
            )
            try await queue.recordLate([late])
            #expect(try await texts("SELECT sealed_token FROM embark.secrets") == ["newer"])
        }
    }

    // MARK: Pauses

    private func pause(
        _ queue: JobQueue,
        _ seconds: Double,
        named: Bool = false,
        credentials: Bool = false
    ) async throws -> Double {
        try await queue.pause(
            Throttle(
                .waba("1"),
                seconds: seconds,
                isNamed: named,
                code: "80007",
                message: "\(seconds) s",
                isCredentials: credentials
            )
        ).rounded()
    }

    @Test func `The longest pause stands, and keeps its reason`() async throws {
        try await Self.withQueue { queue in
            let first = try await pause(queue, 600, named: true)
            #expect(first == 600)
            #expect(try await pause(queue, 60, named: true) == 600)
            #expect(try await texts("SELECT reason FROM embark.throttles") == ["80007 600.0 s"])
            #expect(try await pause(queue, 900, named: true) == 900)
            #expect(try await texts("SELECT reason FROM embark.throttles") == ["80007 900.0 s"])
            // That our credentials were refused stays known as long as it rests.
            #expect(try await pause(queue, 1000, credentials: true) == 1000)
            #expect(try await pause(queue, 2000) == 2000)
            #expect(try await queue.throttles().first?.isCredentials == true)
        }
    }

    @Test func `A limit that is hit again at once rests twice as long, an hour at most, unless the time was named`()
        async throws
    {
        let ended = "UPDATE embark.throttles SET until = now(), set_at = now() - (until - set_at)"
        try await Self.withQueue { queue in
            for expected in [900.0, 1800, 3600, 3600] {
                #expect(try await pause(queue, 900) == expected)
                try await script(ended)
            }
            // What Graph names is taken as it is, and does not double the next one.
            #expect(try await pause(queue, 120, named: true) == 120)
            try await script(ended)
            #expect(try await pause(queue, 900) == 900)
            // Nor does one that ended a while ago.
            try await script("UPDATE embark.throttles SET until = now() - interval '16 min'")
            #expect(try await pause(queue, 900) == 900)
        }
    }

    @Test func `Pauses that have long ended are deleted, and what stops most is never cut off`() async throws {
        try await script(
            """
            INSERT INTO embark.throttles (scope, until, reason)
            SELECT 'waba:' || g, now() + g * interval '1 h', 'x' FROM generate_series(-3, 3) AS g WHERE g <> 0;
            INSERT INTO embark.throttles (scope, until, reason) VALUES ('system', now() + interval '1 min', 'x')
            """
        )
        try await Self.withQueue { queue in
            let scopes = try await queue.throttles().map(\.scope)
            #expect(scopes == ["system", "waba:3", "waba:2", "waba:1"])
            #expect(try await queue.deleteOldThrottles(limit: 2) == 2)
            #expect(try await queue.deleteOldThrottles(limit: 2) == 1)
            #expect(try await queue.deleteOldThrottles(limit: 2) == 0)
            #expect(try await count("embark.throttles") == 4)
        }
    }

    @Test func `A call to register that never left is taken off the number's quota`() async throws {
        try await Customer.enqueue(1...1)
        try await script("UPDATE embark.jobs SET step = 'register_phone', lane = 5")
        let precondition = GraphRequest.Precondition.registerCall(phoneNumberID: Customer.phoneID(1))
        try await Self.withQueue { queue in
            let row = try #require(try await queue.claim(lane: 5, limit: 1, leaseID: 11, from: nil).first)
            let lease = Lease(signupID: row.signupID, id: 11)
            #expect(try await queue.permission(for: precondition, lease: lease) == .granted)
            #expect(try await queue.permission(for: precondition, lease: lease) == .granted)
            try await queue.withdraw(precondition, lease: lease)
            #expect(try await count("embark.register_calls") == 1)
            #expect(try await count("embark.jobs WHERE NOT sent") == 1)
        }
    }
}
