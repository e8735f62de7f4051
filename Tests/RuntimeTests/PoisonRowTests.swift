/// A worker behind a thousand rows that nobody but a superuser can have written: each is set aside or failed with its reason, and those
/// behind it do not wait.
import Foundation
import GraphSimulator
import NIOCore
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct PoisonRowTests {
    private static let poisoned = 1_000
    private static let healthy = 50

    @Test func `A thousand poison rows hold nobody up, and each says what is wrong with it`() async throws {
        try await script("ALTER TYPE embark.flow ADD VALUE 'moon'")
        try await script(Poison.around)
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_LOG_LEVEL": "info"]
            ) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                let calm = try await Self.completeHealthy(from: Self.poisoned + 1)
                try await Self.enqueuePoison()
                let behind = try await Self.completeHealthy(from: Self.poisoned + Self.healthy + 1)
                #expect(behind < calm * 2 + .seconds(3), "\(behind) behind the poison, \(calm) without")
                try await Self.releaseOfAnAbsentWorkers()
                try await eventually("the poison is settled", within: .seconds(60)) {
                    try await count("embark.jobs") == 0
                }
                #expect(try await worker.isReady())
            }
            #expect(result.code == 0, "\(result.err.suffix(2000))")
            let lines = try result.logLines()
            #expect(lines.contains { $0["message"] as? String == "job set aside" })
            #expect(!lines.contains { $0["message"] as? String == "claim failed" })
            // What is no id is never part of a call's path.
            let paths = try platform.ledger("request").compactMap { $0["path"] }
            #expect(paths.allSatisfy { $0.wholeMatch(of: /[a-z0-9_\/]+/) != nil })
        }
        try await Self.checkEnds()
    }

    /// Enqueued, and completed after this time.
    private static func completeHealthy(from first: Int) async throws -> Duration {
        let start = ContinuousClock.now
        let last = first + healthy - 1
        try await Customer.enqueue(first...last)
        try await eventually("the healthy signups are completed", within: .seconds(25)) {
            try await count(
                "embark.signups WHERE state = 'completed' AND waba_id BETWEEN '\(Customer.wabaID(first))' AND '\(Customer.wabaID(last))'"
            ) == healthy
        }
        return .now - start
    }

    /// One transaction: a worker that is awake sees all of it or nothing.
    private static func enqueuePoison() async throws {
        let rows = (1...poisoned).map { n in
            "('\(Customer.code(n))', '\(Customer.wabaID(n))', '\(Customer.phoneID(n))', 'USD')"
        }
        let spoils = ids.map { name, ids in
            let sql = Poison.all.first { $0.name == name }?.sql ?? ""
            return sql.replacing("{ids}", with: "ARRAY[\(ids.map(String.init).joined(separator: ","))]")
        }
        try await script(
            """
            BEGIN;
            INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id, currency) VALUES \(rows.joined(separator: ", "));
            \(spoils.joined(separator: ";\n"));
            COMMIT
            """,
            deadline: .seconds(60)
        )
    }

    /// The signups that each poison befalls, by its name: those behind the first healthy ones.
    private static let ids = Poison.rows(poisoned).enumerated().reduce(into: [String: [Int]]()) {
        $0[$1.element.name, default: []].append(healthy + 1 + $1.offset)
    }

    /// Workers that cannot be do not keep one that is gone from being noticed.
    private static func releaseOfAnAbsentWorkers() async throws {
        let n = poisoned + 2 * healthy + 1
        try await script(
            """
            BEGIN;
            INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id, currency)
            VALUES ('\(Customer.code(n))', '\(Customer.wabaID(n))', '\(Customer.phoneID(n))', 'USD');
            INSERT INTO embark.workers (id, host, pid, version) OVERRIDING SYSTEM VALUE VALUES (1000, 'gone', 1, '0.1.0');
            UPDATE embark.jobs SET worker_id = 1000, lease_id = 1, due_at = now() + interval '4 min'
             WHERE signup_id = (SELECT max(id) FROM embark.signups);
            COMMIT
            """
        )
        try await eventually("what an absent worker held is done", within: .seconds(20)) {
            try await count("embark.signups WHERE state = 'completed' AND waba_id = '\(Customer.wabaID(n))'") == 1
        }
    }

    private static func checkEnds() async throws {
        for poison in Poison.all {
            let befallen = try #require(ids[poison.name]).map(String.init).joined(separator: ",")
            let ends = try await texts(
                """
                SELECT DISTINCT concat_ws(' ', s.state, s.error_code, s.waiting_on) FROM embark.signups AS s
                 WHERE s.id IN (\(befallen)) ORDER BY 1
                """
            )
            #expect(ends == (poison.ends.map { [$0] } ?? []), "\(poison.name)")
        }
        let wordless = try await count("embark.signups WHERE state = 'failed' AND coalesce(error_message, '') = ''")
        #expect(wordless == 0)
    }
}
