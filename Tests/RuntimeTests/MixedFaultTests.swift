/// A thousand signups of all flows through two workers while a tenth of all calls goes wrong as the dice fall: most end
/// without a person, the others say whom they wait for, and nothing that must not happen twice has.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct MixedFaultTests {
    private static let signups = 1_000
    private static let batch = 250
    /// At every endpoint, together about a tenth.
    private static let faults = """
        {"*": {"http500": 0.012, "html502": 0.012, "reset_before": 0.012, "reset_after": 0.012, "transient": 0.012,
               "code:2": 0.01, "code:131000": 0.01, "code:80007": 0.004, "bad_json": 0.01, "truncated": 0.01}}
        """

    /// A run that has failed is tried again with its seed. The order in which calls arrive is not the seed's.
    private static let seed: UInt64 =
        ProcessInfo.processInfo.environment["EMBARK_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)

    /// What signup `n` asks for. The divisors have nothing in common, so that everything meets everything.
    private struct Wish {
        let n: Int

        var flow: String {
            switch n % 10 {
            case 0...5: "cloud_api"
            case 6, 7: "only_waba"
            case 8: "coexistence"
            default: "api_access_only"
            }
        }
        var wantsMessage: Bool { flow == "cloud_api" && n.isMultiple(of: 3) }
        var namesBusiness: Bool { !n.isMultiple(of: 7) }
        /// Where it is not named the account's only number is looked up, in the flows that need one.
        var namesPhone: Bool { !n.isMultiple(of: 11) }
        var overrideURI: String? { n.isMultiple(of: 13) ? "https://hooks.example.com/\(n)" : nil }

        var row: String {
            func quoted(_ text: String?) -> String { text.map { "'\($0)'" } ?? "NULL" }
            let override = overrideURI.map { #"{"override_callback_uri": "\#($0)", "verify_token": "token\#(n)"}"# }
            let columns: [String?] = [
                Customer.code(n), Customer.wabaID(n), namesPhone ? Customer.phoneID(n) : nil,
                namesBusiness ? Customer.businessID(n) : nil, "USD", flow, wantsMessage ? "+16505551234" : nil,
                override,
            ]
            return "(" + columns.map(quoted).joined(separator: ", ") + ")"
        }
    }

    @Test func `While a tenth of all calls fails most signups end by themselves, and nothing happens twice`()
        async throws
    {
        let simulator = Simulator(faults: try FaultPlan(json: Self.faults), seed: Self.seed)
        let server = try await SimulatorServer.start(simulator)
        let platform = SimulatedPlatform(simulator: simulator, url: "http://127.0.0.1:\(server.port)")
        do {
            try await Self.run(platform)
            try await Self.checkEnds()
            try await Self.checkLedger(platform)
            try await Self.checkHistory()
        } catch {
            Issue.record("seed \(Self.seed): \(error)")
        }
        try await server.stop()
    }

    // MARK: The run

    private static func run(_ platform: SimulatedPlatform) async throws {
        let url = TestDatabase.current.url
        let environment = ["EMBARK_CONCURRENCY": "100", "EMBARK_LOG_LEVEL": "warning"]
        let result = try await RunningWorker.with(
            graph: platform.url,
            database: url,
            environment: environment
        ) { first in
            let other = try await RunningWorker.with(
                graph: platform.url,
                database: url,
                environment: environment
            ) { second in
                for worker in [first, second] {
                    try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                }
                for start in stride(from: 1, through: Self.signups, by: Self.batch) {
                    try await Self.enqueue(start..<(start + Self.batch))
                    // Not all at once: on a busy machine the last codes would die before their turn.
                    try await eventually("nearly all codes are taken", within: .seconds(60)) {
                        try await count("embark.jobs WHERE step = 'exchange_code' AND attempt = 0") < 40
                    }
                }
                try await Hurry.untilIdle(within: .seconds(150))
            }
            #expect(other.code == 0, "seed \(Self.seed): \(other.err.suffix(2000))")
        }
        #expect(result.code == 0, "seed \(Self.seed): \(result.err.suffix(2000))")
    }

    private static func enqueue(_ numbers: Range<Int>) async throws {
        let rows = numbers.map { Wish(n: $0).row }
        try await script(
            """
            INSERT INTO embark.signup_inbox
                (code, waba_id, phone_number_id, business_id, currency, flow, test_recipient, webhook_override)
            VALUES \(rows.joined(separator: ", "))
            """
        )
    }

    // MARK: What must be so

    private static func checkEnds() async throws {
        let completed = try await count("embark.signups WHERE state = 'completed'")
        let reasons = try await texts(
            """
            SELECT concat_ws(' ', count(*), failed_step, error_code, waiting_on) FROM embark.signups
             WHERE state <> 'completed' GROUP BY failed_step, error_code, waiting_on ORDER BY count(*) DESC
            """
        )
        #expect(completed >= Int64(Self.signups * 85 / 100), "seed \(Self.seed): \(completed), others: \(reasons)")
        let wordless = try await texts(
            """
            SELECT concat_ws(' ', id, state, failed_step, error_code) FROM embark.signups
             WHERE state <> 'completed' AND (state <> 'failed' OR waiting_on IS NULL OR error_code IS NULL)
            """
        )
        #expect(wordless.isEmpty, "seed \(Self.seed): \(wordless)")
        #expect(try await count("embark.signups") == Int64(Self.signups))
        #expect(try await count("embark.jobs") == 0)
        #expect(try await count("embark.outcomes") == Int64(Self.signups), "each has ended once")
        #expect(try await count("embark.secrets WHERE code IS NOT NULL") == 0, "codes were left")
    }

    private static func checkLedger(_ platform: SimulatedPlatform) async throws {
        let ledger = try Ledger(platform)
        let effects = try platform.ledger("effect")
        let faults = try platform.ledger("fault").count
        let requests = try platform.ledger("request").count
        let share = Double(faults) / Double(max(requests, 1))
        #expect((0.05...0.15).contains(share), "seed \(Self.seed): \(faults) faults in \(requests) calls")

        let completed = Set(try await texts("SELECT waba_id FROM embark.signups WHERE state = 'completed'"))
        let kept = Set(
            try await texts(
                """
                SELECT s.waba_id FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id
                 WHERE x.sealed_token IS NOT NULL OR s.state = 'failed'
                """
            )
        )
        // In order; nil is a call without an override.
        let subscriptions = Dictionary(grouping: effects.filter { $0["effect"] == "subscribe_app" }) {
            $0["waba_id"] ?? ""
        }.mapValues { $0.map { $0["override_callback_uri"] } }
        for n in 1...Self.signups {
            let wish = Wish(n: n)
            let (wabaID, phoneID) = (Customer.wabaID(n), Customer.phoneID(n))
            let name = "seed \(Self.seed), signup \(n), \(wish.flow)"
            let exchanges = ledger.effects("exchange_code", "code", Customer.code(n))
            #expect(exchanges <= 1, "the code was exchanged \(exchanges) times: \(name)")
            #expect(exchanges == 0 || kept.contains(wabaID), "a token is lost and nobody knows of it: \(name)")
            let shares = ledger.effects("share_credit_line", "waba_id", wabaID)
            #expect(shares <= 1, "the credit line was shared \(shares) times: \(name)")
            let messages = ledger.effects("send_test_message", "phone_number_id", phoneID)
            #expect(messages <= (wish.wantsMessage ? 1 : 0), "\(messages) messages were sent: \(name)")
            let registrations = ledger.requests("register_phone", wabaID)
            #expect(registrations <= (wish.flow == "cloud_api" ? 4 : 0), "\(registrations) calls: \(name)")
            let overrides = subscriptions[wabaID] ?? []
            #expect(overrides.allSatisfy { $0 == nil || $0 == wish.overrideURI }, "\(overrides): \(name)")
            guard completed.contains(wabaID) else { continue }
            // A call without an override removes one: the last call must not be such a one.
            let isKept = overrides.last.map { $0 == wish.overrideURI } ?? false
            #expect(isKept, "\(overrides): \(name)")
            if wish.flow == "cloud_api" {
                let had = ledger.effects("register_phone", "phone_number_id", phoneID)
                #expect(had >= 1, "completed without a registration: \(name)")
            }
            if wish.flow != "api_access_only" { #expect(shares == 1, "completed without a credit line: \(name)") }
        }
    }

    /// A step is begun only when the one before it in the plan is done.
    private static func checkHistory() async throws {
        let early = try await texts(
            """
            SELECT format('signup %s: %s began before %s was done', s.id, p.step, s.plan[p.place::integer - 1])
              FROM embark.signups AS s
             CROSS JOIN LATERAL unnest(s.plan) WITH ORDINALITY AS p (step, place)
             WHERE p.place > 1
               AND (SELECT min(a.started_at) FROM embark.attempts AS a WHERE a.signup_id = s.id AND a.step = p.step)
                   < coalesce(
                       (SELECT min(b.finished_at) FROM embark.attempts AS b
                         WHERE b.signup_id = s.id AND b.step = s.plan[p.place::integer - 1] AND b.verdict = 'done'),
                       'infinity')
            """
        )
        #expect(early.isEmpty, "seed \(Self.seed): \(early.prefix(10))")
        let unplanned = try await texts(
            """
            SELECT concat_ws(' ', a.signup_id, a.step) FROM embark.attempts AS a
              JOIN embark.signups AS s ON s.id = a.signup_id WHERE a.step <> ALL (s.plan)
            """
        )
        #expect(unplanned.isEmpty, "seed \(Self.seed): \(unplanned.prefix(10))")
    }
}
