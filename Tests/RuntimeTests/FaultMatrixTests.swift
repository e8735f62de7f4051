/// Each call of each step meets each fault, before its effect and after it, in one run of a worker: a signup for each. How each
/// ends is written by hand; that nothing happened twice is read off the simulator's ledger.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(8)))
struct FaultMatrixTests {
    struct Case: Sendable {
        /// By endpoint, the faults of its first calls in order.
        let faults: [String: [String]]
        let ends: String
        var flow = "cloud_api"
        var namesBusiness = true
        /// Calls to register that had their effect; 1 where nothing says otherwise.
        var registrations = 1

        var name: String { faults.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ") }
    }

    // MARK: The matrix

    /// Nothing of Graph's came back, or nothing that says what became of the call: before the effect, and after it.
    static let lost = [
        "http500", "html502", "transient", "reset_before", "reset_after", "truncated", "bad_json", "malformed",
        "wrong_length", "deep_json", "huge", "long_header",
    ]
    /// The same for the length of the call's limit.
    private static let silent = ["silent_before", "silent_after", "slow"]
    /// The answer is odd and says that it worked.
    private static let odd = ["nul", "lone_surrogate", "huge_number"]
    /// Codes that pass, whoever is asked.
    static let passing: [String] = [1, 2, 131_000, 131_016, 131_056, 133_004, 131_057, 2_494_100].map {
        "code:\($0)"
    }
    static let limits: [String] = [4, 17, 32, 341, 613, 80_007, 80_008, 130_429].map { "code:\($0)" }

    /// A case for each fault of an endpoint's first call.
    static func each(_ endpoint: String, _ faults: [String]..., ends: String) -> [Case] {
        faults.joined().map { Case(faults: [endpoint: [$0]], ends: ends) }
    }

    /// Calls that read, or set a state: whatever is lost is asked for again.
    private static var repeatable: [Case] {
        var cases: [Case] = []
        for endpoint in [
            "debug_token", "phone_numbers", "subscribe_app", "assign_system_user", "read_account", "read_phone",
        ] {
            let seen = ["code:33", "code:100/33", "usage:100:2", "usage:85"]
            cases += each(endpoint, lost, silent, passing, limits, seen, ends: "completed")
            cases += each(endpoint, ["code:424242", "code:100", "code:3", "code:368"], ends: "failed # operator")
        }
        for endpoint in ["phone_numbers", "subscribe_app", "read_account", "read_phone"] {
            cases += each(endpoint, ["code:190", "code:190/463", "code:102"], ends: "failed # customer")
            cases += each(endpoint, ["code:200", "code:10"], ends: "failed # operator")
        }
        // Ours: all wait until it is renewed, and nothing fails.
        cases += each("debug_token", ["code:190"], ends: "completed")
        cases += each("assign_system_user", ["code:190", "code:102"], ends: "completed")
        cases += each("subscribe_app", odd, ends: "completed")
        cases += [
            Case(faults: ["subscribe_app": ["reset_after", "silent_after", "html502"]], ends: "completed"),
            Case(faults: ["assign_system_user": ["reset_after", "reset_after"]], ends: "completed"),
        ]
        return cases
    }

    private static var exchange: [Case] {
        var cases: [Case] = []
        let gone = ["code:1", "code:2", "code:131000", "code:100/36007", "code:100/36009"]
        for fault in lost + silent + odd + gone {
            cases.append(Case(faults: ["exchange_code": [fault]], ends: "completed"))
            let own = fault.hasPrefix("code:100/") ? String(fault.dropFirst(5)) : "code_spent"
            cases.append(
                Case(faults: ["exchange_code": [fault]], ends: "failed \(own) customer", namesBusiness: false)
            )
        }
        let told = ["code:4", "code:613", "code:341", "usage:100:1"]
        cases += each("exchange_code", told, ends: "completed")
        cases += each("exchange_code", ["code:100"], ends: "failed 100 customer")
        let ours = ["code:101", "code:191", "code:100/36008", "code:424242", "code:200"]
        cases += each("exchange_code", ours, ends: "failed # operator")
        cases += each("exchange_code", ["wrong_secret"], ends: "failed 1 operator")
        // The recovery is lost as well, or refused.
        for fault in lost + ["code:1", "code:2", "code:131016", "code:190", "code:4"] {
            cases.append(Case(faults: ["exchange_code": ["reset_after"], "recover_token": [fault]], ends: "completed"))
        }
        for fault in ["code:200", "code:452", "code:3962", "code:100", "code:100/33"] {
            let faults = ["exchange_code": ["reset_after"], "recover_token": [fault]]
            cases.append(Case(faults: faults, ends: "failed code_spent customer"))
        }
        for fault in ["reset_after", "html502", "code:2", "malformed"] {
            cases.append(Case(faults: ["exchange_code": ["truncated"], "debug_token": [fault]], ends: "completed"))
        }
        return cases
    }

    private static var share: [Case] {
        var cases = each("share_credit_line", lost, silent, odd, passing, limits, ends: "completed")
        cases += each("share_credit_line", ["code:190", "code:506", "code:1752041"], ends: "completed")
        // Given access once more, and then shared.
        cases += each("share_credit_line", ["code:200", "code:200/1349174"], ends: "completed")
        cases += each("share_credit_line", ["code:3", "code:10", "code:100", "code:424242"], ends: "failed # operator")
        cases += each("share_credit_line", ["code:134011"], ends: "failed # customer")
        // Lost twice: it had happened, and it had not.
        let account: [String] = ["null", "reset_after", "html502"]
        cases.append(Case(faults: ["share_credit_line": ["reset_after"], "read_account": account], ends: "completed"))
        cases.append(Case(faults: ["share_credit_line": ["reset_before", "reset_after"]], ends: "completed"))
        let never = "failed effect_uncertain operator"
        cases.append(Case(faults: ["share_credit_line": ["reset_before", "reset_before"]], ends: never))
        let readBack = [
            "share_credit_line": ["silent_after"], "list_allocations": ["http500"], "read_allocation": ["code:2"],
        ]
        cases.append(Case(faults: readBack, ends: "completed"))
        return cases
    }

    private static var register: [Case] {
        var cases = each("register_phone", lost, silent, odd, passing, limits, ends: "completed")
        let waits = ["code:133000", "code:133009", "code:133015", "code:133016", "code:131045"]
        cases += each("register_phone", waits, ends: "completed")
        let customers = ["code:133005", "code:133006", "code:133008", "code:190"]
        cases += each("register_phone", customers, ends: "failed # customer")
        cases += each("register_phone", ["code:424242", "code:100", "code:200", "code:506"], ends: "failed # operator")
        cases += [
            Case(faults: ["register_phone": ["reset_after", "reset_after"]], ends: "completed"),
            Case(faults: ["register_phone": ["reset_before", "silent_before"]], ends: "completed"),
            Case(faults: ["register_phone": ["code:133000"], "deregister_phone": ["reset_after"]], ends: "completed"),
            Case(faults: ["register_phone": ["code:133000", "code:133000"]], ends: "failed 133000 operator"),
            Case(faults: ["register_phone": ["code:131045", "code:131045"]], ends: "failed 131045 operator"),
            Case(
                faults: ["register_phone": ["http500", "http500", "http500", "http500"]],
                ends: "failed register_quota operator"
            ),
        ]
        return cases
    }

    private static var message: [Case] {
        let doubtful = ["code:1", "code:2", "code:131000", "code:131016", "code:131057"]
        var cases = each("send_test_message", lost, silent, odd, doubtful, ends: "completed test_message_uncertain")
        cases += each("send_test_message", limits, ["code:131056"], ends: "completed")
        let refused = [131_031, 131_037, 131_042, 131_047, 131_021, 131_026, 131_030, 131_049, 424_242, 190]
        cases += each("send_test_message", refused.map { "code:\($0)" }, ends: "completed test_message_failed")
        for fault in ["code:133010", "code:131045"] {
            cases.append(Case(faults: ["send_test_message": [fault]], ends: "completed", registrations: 2))
            cases.append(
                Case(
                    faults: ["send_test_message": [fault, fault]],
                    ends: "completed test_message_failed",
                    registrations: 2
                )
            )
        }
        return cases
    }

    private static var synchronisation: [Case] {
        let never = "failed effect_uncertain operator"
        var cases = each("sync_app_data", lost, silent, odd, ["code:1", "code:2", "code:131016"], ends: never)
        cases += each("sync_app_data", limits, ["code:2593107", "code:2593109"], ends: "completed")
        cases += each("sync_app_data", ["code:2593108"], ends: "failed # customer")
        cases.append(Case(faults: ["sync_app_data": ["null", "reset_after"]], ends: never))
        return cases.map {
            var one = $0
            one.flow = "coexistence"
            return one
        }
    }

    static let cases = repeatable + exchange + share + register + message + synchronisation

    // MARK: The run

    /// Faults that make everything rest, or all that our system user's token is for: they hold up the signups beside them in
    /// the middle of their steps, and are run apart.
    static func pausesAll(_ one: Case) -> Bool {
        one.faults.contains { endpoint, faults in
            let system = [
                "assign_system_user", "share_credit_line", "recover_token", "list_allocations", "read_allocation",
                "share_allocation",
            ]
            let isOurs = system.contains(endpoint) || ["exchange_code", "debug_token"].contains(endpoint)
            return faults.contains { fault in
                ["code:4", "code:32", "code:341", "wrong_secret"].contains(fault)
                    || (isOurs && ["code:17", "code:190", "code:102", "code:613", "usage:100:2"].contains(fault))
                    // What a limit's own answer names is the credit line's, there.
                    || (["share_credit_line", "share_allocation", "attach_allocation"].contains(endpoint)
                        && limits.contains(fault))
            }
        }
    }

    @Test func `Every fault at every call ends as it must, and nothing happens twice`() async throws {
        let cases = Self.cases.filter { !Self.pausesAll($0) }
        #expect(cases.count > 400)
        try await Self.run(cases)
    }

    @Test func `Faults that make all signups rest end as they must, and nothing happens twice`() async throws {
        let cases = Self.cases.filter(Self.pausesAll)
        #expect(cases.count > 40)
        try await Self.run(cases)
    }

    static func run(_ cases: [Case]) async throws {
        try await SimulatedPlatform.with(faults: try Self.plan(cases)) { platform in
            try await Self.enqueue(cases)
            async let worker = WorkerProcess.run(
                platform,
                environment: ["EMBARK_CONCURRENCY": "100", "EMBARK_LOG_LEVEL": "info"]
            )
            async let hurry: Void = Hurry.untilIdle(within: .seconds(300))
            let result = try await worker
            #expect(result.code == 0, "\(result.err.suffix(2000))")
            try await hurry

            let ends = try await texts(
                """
                SELECT concat_ws(' ', state, error_code, waiting_on, nullif(array_to_string(warnings, ' '), ''))
                  FROM embark.signup_status ORDER BY id
                """
            )
            #expect(ends.count == cases.count)
            for (one, end) in zip(cases, ends) { #expect(end == Self.expected(one), "\(one.name)") }
            try await Self.checkLedger(platform, cases)
        }
    }

    private static func expected(_ one: Case) -> String {
        let code = one.faults.values.flatMap(\.self).first { $0.hasPrefix("code:") }?.dropFirst(5) ?? ""
        return one.ends.replacing("#", with: code)
    }

    private static func plan(_ cases: [Case]) throws -> String {
        var plan: [String: [String?]] = [:]
        for (index, one) in cases.enumerated() {
            for (endpoint, faults) in one.faults {
                plan["\(endpoint)@\(Customer.wabaID(index + 1))"] = faults.map { $0 == "null" ? nil : $0 }
            }
        }
        return String(decoding: try JSONEncoder().encode(plan), as: UTF8.self)
    }

    private static func enqueue(_ cases: [Case]) async throws {
        let rows = cases.enumerated().map { index, one in
            let n = index + 1
            let business = one.namesBusiness ? "'\(Customer.businessID(n))'" : "NULL"
            let recipient = one.flow == "cloud_api" ? "'+16505551234'" : "NULL"
            return "('\(Customer.code(n))', '\(Customer.wabaID(n))', '\(Customer.phoneID(n))', \(business), 'USD', "
                + "'\(one.flow)', \(recipient))"
        }
        try await withConnection { connection in
            try await connection.script(
                """
                INSERT INTO embark.signup_inbox
                    (code, waba_id, phone_number_id, business_id, currency, flow, test_recipient)
                VALUES \(rows.joined(separator: ", "))
                """
            )
        }
    }

    private static func checkLedger(_ platform: SimulatedPlatform, _ cases: [Case]) async throws {
        let ledger = try Ledger(platform)
        for (index, one) in cases.enumerated() {
            let n = index + 1
            let exchanges = ledger.effects("exchange_code", "code", Customer.code(n))
            #expect(exchanges <= 1, "the code was exchanged \(exchanges) times: \(one.name)")
            let shares = ledger.effects("share_credit_line", "waba_id", Customer.wabaID(n))
            #expect(shares <= 1, "the credit line was shared \(shares) times: \(one.name)")
            let messages = ledger.effects("send_test_message", "phone_number_id", Customer.phoneID(n))
            #expect(messages <= 1, "\(messages) messages were sent: \(one.name)")
            let registrations = ledger.effects("register_phone", "phone_number_id", Customer.phoneID(n))
            let most = one.flow == "cloud_api" ? one.registrations : 0
            #expect(registrations <= most, "the number was registered \(registrations) times: \(one.name)")
            let calls = ledger.requests("register_phone", Customer.wabaID(n))
            #expect(calls <= 4, "\(calls) calls to register: \(one.name)")
            // A code is sent again only when Graph has told us to wait.
            let isThrottled = one.faults["exchange_code"]?.allSatisfy(limits.contains) == true
            #expect(ledger.requests("exchange_code", Customer.wabaID(n)) <= (isThrottled ? 2 : 1), "\(one.name)")
        }
        let codes = try await texts("SELECT signup_id::text FROM embark.secrets WHERE code IS NOT NULL")
        #expect(codes.isEmpty, "codes were left")
    }
}

/// The simulator's ledger, counted once.
struct Ledger {
    private let effects: [String: Int]
    private let requests: [String: Int]

    init(_ platform: SimulatedPlatform) throws {
        effects = try platform.ledger("effect").reduce(into: [:]) { counts, effect in
            for (key, value) in effect { counts["\(effect["effect"] ?? "") \(key) \(value)", default: 0] += 1 }
        }
        requests = try platform.ledger("request").reduce(into: [:]) { counts, request in
            counts["\(request["endpoint"] ?? "") \(request["account"] ?? "")", default: 0] += 1
        }
    }

    func effects(_ name: String, _ key: String, _ value: String) -> Int { effects["\(name) \(key) \(value)"] ?? 0 }
    func requests(_ endpoint: String, _ account: String) -> Int { requests["\(endpoint) \(account)"] ?? 0 }
}

/// Lets the time that jobs wait for pass at once: the rows move, not the clock.
enum Hurry {
    static func untilIdle(within limit: Duration) async throws {
        try await withConnection { connection in
            try await eventually("every signup has come to an end", within: limit) {
                // Each in a transaction of its own, and past what is locked: workers lock rows in an order of their own.
                for statement in [
                    "UPDATE embark.throttles SET until = clock_timestamp() WHERE until > clock_timestamp()",
                    """
                    UPDATE embark.credit_shares SET sent_at = sent_at - interval '61 s'
                     WHERE waba_id IN (SELECT waba_id FROM embark.credit_shares FOR UPDATE SKIP LOCKED)
                    """,
                    """
                    UPDATE embark.jobs SET due_at = clock_timestamp()
                     WHERE signup_id IN (SELECT signup_id FROM embark.jobs
                                          WHERE lease_id IS NULL AND due_at > clock_timestamp() FOR UPDATE SKIP LOCKED)
                    """,
                    "NOTIFY embark_throttles", "SELECT pg_sleep(0.1)",
                ] {
                    try await connection.script(statement)
                }
                return try await connection.value("SELECT count(*) FROM embark.jobs", as: Int64.self) == 0
            }
        }
    }
}
