/// Every code of Meta's at every call of every step: what `ErrorCodeTests.table` says of it, but for the lines that each call has of
/// its own here, written by hand from "WhatsApp error codes" and the pages beside it.
import Testing

@testable import Onboarding

@Suite("A code at any call") struct CodeAtEveryCallTests {
    /// Where an error can come: the answers before it, and whose token the refused call carried.
    struct Call: Sendable, CustomTestStringConvertible {
        let name: String
        let step: Step
        let endpoint: Endpoint
        var before: [StepEvent] = []
        var isOurToken = false
        var change: @Sendable (inout StepContext) -> Void = { _ in }
        /// By code, what the call's own meaning makes of it; `*` for every other.
        var own: [String: String] = [:]
        var testDescription: String { name }
    }

    /// What has a meaning only somewhere, and is an unexpected refusal elsewhere.
    private static let elsewhere = [
        ErrorCodeTests.Row(codes: [506, 1_752_041, 131_045, 133_000, 133_010], business: "fail #, operator"),
        ErrorCodeTests.Row(codes: [3962], business: "fail #, operator"),
        ErrorCodeTests.Row(
            codes: [452],
            business: "fail #, customer",
            system: "throttle # for 300 s"
        ),
    ]

    private static let rows = ErrorCodeTests.table + elsewhere

    // MARK: The calls

    private static let granted = StepEvent.ok(.debugToken, grant())
    private static let page = StepEvent.ok(
        .phoneNumbers,
        ["data": [["id": "9"]], "paging": ["cursors": ["after": "MTAx"], "next": "https://…"]]
    )
    private static let unfunded = StepEvent.ok(
        .readAccount,
        ["id": .string(Fixture.wabaID), "owner_business_info": ["id": .string(Fixture.businessID)]]
    )
    private static let funded = StepEvent.ok(
        .readAccount,
        [
            "id": .string(Fixture.wabaID), "primary_funding_id": "77",
            "owner_business_info": ["id": .string(Fixture.businessID)],
        ]
    )
    private static let allocation = StepEvent.ok(.listAllocations, ["data": [["id": .string(Fixture.allocationID)]]])
    private static let pending = StepEvent.ok(
        .readPhone,
        ["id": .string(Fixture.phoneID), "status": "PENDING", "platform_type": "NOT_APPLICABLE"]
    )
    private static let success: JSON = ["success": true]

    /// A fault of the server's leaves open whether it happened, and a code that is known not to pass does not.
    private static let open = ["1", "2", "131000", "131016", "133004", "131057", "2494100", "424242@500"]
    /// The same where the code itself was refused: it may be spent.
    private static func all(_ codes: [String], _ summary: String) -> [String: String] {
        Dictionary(uniqueKeysWithValues: codes.map { ($0, summary) })
    }

    private static func merged(_ parts: [String: String]...) -> [String: String] {
        parts.reduce(into: [:]) { $0.merge($1) { $1 } }
    }

    private static let permissions = ["200", "210", "299", "200/1349174"]

    static let reading = [
        Call(name: "the inspection", step: .verifyGrant, endpoint: .debugToken, isOurToken: true),
        Call(name: "the numbers", step: .verifyGrant, endpoint: .phoneNumbers, before: [granted]),
        Call(name: "the numbers' second page", step: .verifyGrant, endpoint: .phoneNumbers, before: [granted, page]),
        Call(
            name: "the subscriptions",
            step: .subscribeApp,
            endpoint: .readSubscriptions,
            before: [.error(.subscribeApp, 506)]
        ),
        Call(
            name: "the account's users",
            step: .assignSystemUser,
            endpoint: .readAssignedUsers,
            before: [.error(.assignSystemUser, 506)],
            isOurToken: true,
            change: { $0.installation.businessID = "77" }
        ),
        Call(name: "the account's funding", step: .shareCreditLine, endpoint: .readAccount),
        Call(
            name: "the allocations",
            step: .shareCreditLine,
            endpoint: .listAllocations,
            before: [funded],
            isOurToken: true
        ),
        Call(
            name: "one allocation",
            step: .shareCreditLine,
            endpoint: .readAllocation,
            before: [funded, allocation],
            isOurToken: true
        ),
        Call(name: "the number's status", step: .registerPhone, endpoint: .readPhone),
        Call(
            name: "the status behind a wrong PIN",
            step: .registerPhone,
            endpoint: .readPhone,
            before: [pending, .error(.registerPhone, 133_005)]
        ),
    ]

    static let setting = [
        Call(
            name: "the subscription",
            step: .subscribeApp,
            endpoint: .subscribeApp,
            own: all(["506", "1752041"], "call read_subscriptions")
        ),
        Call(
            name: "the override",
            step: .subscribeApp,
            endpoint: .subscribeApp,
            before: [.ok(.subscribeApp, success)],
            change: { $0.signup.overrideCallbackURI = "https://hooks.example.com/a" },
            own: all(["506", "1752041"], "call read_subscriptions")
        ),
        Call(
            name: "the system user",
            step: .assignSystemUser,
            endpoint: .assignSystemUser,
            isOurToken: true,
            change: { $0.installation.businessID = "77" },
            own: all(["506", "1752041"], "call read_assigned_users")
        ),
        Call(
            name: "the system user, given access for the share",
            step: .shareCreditLine,
            endpoint: .assignSystemUser,
            before: [unfunded, .error(.shareCreditLine, 200)],
            isOurToken: true
        ),
    ]

    static let number: [Call] = {
        let looked = all(["506", "1752041", "131045", "133010", "133005", "100"], "call read_phone")
        let torn = ["133000": "call deregister_phone"]
        return [
            Call(
                name: "the registration",
                step: .registerPhone,
                endpoint: .registerPhone,
                before: [pending],
                own: merged(looked, torn)
            ),
            Call(
                name: "the registration behind a deregistration",
                step: .registerPhone,
                endpoint: .registerPhone,
                before: [pending, .error(.registerPhone, 133_000), .ok(.deregisterPhone, success)],
                own: merged(looked, ["133000": "fail #, operator"])
            ),
            Call(
                name: "the registration behind a certificate's",
                step: .registerPhone,
                endpoint: .registerPhone,
                before: [pending, .error(.registerPhone, 131_045), pending],
                own: merged(looked, torn)
            ),
            Call(
                name: "the deregistration",
                step: .registerPhone,
                endpoint: .deregisterPhone,
                before: [pending, .error(.registerPhone, 133_000)],
                own: all(["133010", "131045"], "call register_phone")
            ),
        ]
    }()

    /// What may not be repeated: the code, the money, what is asked for once, the message.
    static let once: [Call] = {
        let doubtful = merged(all(open, "uncertain #"), ["424242@500": "uncertain #"])
        let gone = "fail code_spent, customer"
        let recovered = "call recover_token"
        // Nothing of ours is at fault where no token is sent: an answer that says so is an operator's to look at.
        let tokens = ["0", "102", "190", "190/463", "450", "458", "459", "460", "463", "464", "467", "469"]
        let refused = merged(
            all(tokens + ["452", "506", "1752041", "131042"], "fail #, operator"),
            all(["33", "803"], "fail #, operator"),
            all(["131056", "133015", "2200"], "fail #, operator"),
            all(["100", "100/33", "100/2388199"], "fail #, customer")
        )
        return [
            Call(
                name: "the exchange",
                step: .exchangeCode,
                endpoint: .exchangeCode,
                own: merged(refused, all(open, recovered))
            ),
            Call(
                name: "the exchange of an unknown business",
                step: .exchangeCode,
                endpoint: .exchangeCode,
                change: { $0.signup.businessID = nil },
                own: merged(refused, all(open, gone))
            ),
            Call(
                name: "the share",
                step: .shareCreditLine,
                endpoint: .shareCreditLine,
                before: [unfunded],
                isOurToken: true,
                own: merged(
                    all(open + ["506", "1752041"], "call read_account"),
                    all(permissions, "call assign_system_user")
                )
            ),
            Call(
                name: "the share of two calls",
                step: .shareCreditLine,
                endpoint: .shareAllocation,
                before: [unfunded, .ok(.listAllocations, ["data": []])],
                isOurToken: true,
                change: { $0.installation.creditMethod = .shareThenAttach },
                own: merged(
                    all(open + ["506", "1752041"], "call read_account"),
                    all(permissions, "call assign_system_user")
                )
            ),
            Call(
                name: "the attachment",
                step: .shareCreditLine,
                endpoint: .attachAllocation,
                before: [unfunded, allocation],
                change: { $0.installation.creditMethod = .shareThenAttach },
                own: all(open + ["506", "1752041"], "call read_account")
            ),
            Call(
                name: "the contacts",
                step: .syncContacts,
                endpoint: .syncAppData,
                own: merged(doubtful, all(["2593107", "2593109"], "done"))
            ),
            Call(
                name: "the history",
                step: .syncHistory,
                endpoint: .syncAppData,
                own: merged(doubtful, all(["2593107", "2593109"], "done"))
            ),
            Call(
                name: "the message",
                step: .sendTestMessage,
                endpoint: .sendTestMessage,
                own: merged(doubtful, all(["133010", "131045"], "call register_phone"))
            ),
            Call(
                name: "the message behind a registration",
                step: .sendTestMessage,
                endpoint: .sendTestMessage,
                before: [.error(.sendTestMessage, 133_010), .ok(.registerPhone, success)],
                own: doubtful
            ),
            Call(
                name: "the registration for the message",
                step: .sendTestMessage,
                endpoint: .registerPhone,
                before: [.error(.sendTestMessage, 133_010)]
            ),
        ]
    }()

    // MARK: The tests

    private static func key(_ row: ErrorCodeTests.Row, _ code: Int) -> String {
        let name = row.subcode.map { "\(code)/\($0)" } ?? "\(code)"
        return code == 424_242 && row.status >= 500 ? "\(name)@\(row.status)" : name
    }

    @Test("has the verdict of its row, or of the call's own line", arguments: reading + setting + number + once)
    func verdict(_ call: Call) throws {
        let context = try Fixture.context(call.change)
        var own = call.own
        for row in Self.rows {
            for code in row.codes {
                let key = Self.key(row, code)
                let base = call.isOurToken ? row.system ?? row.business : row.business
                let expected = row.expected(own.removeValue(forKey: key) ?? base, code)
                let event = StepEvent.error(call.endpoint, code, row.subcode, status: row.status)
                let move = call.step.nextMove(context, after: call.before + [event])
                #expect(move.summary == expected, "\(call.name): \(key), \(row.status)")
            }
        }
        #expect(own.isEmpty, "\(call.name): lines that no code has")
        // What the answers before it lead to is the call in question.
        #expect(call.step.nextMove(context, after: call.before).summary == "call \(call.endpoint.rawValue)")
    }

    /// The business is known and our system user's token fetches what the code would have brought.
    @Test(
        "decides about a recovery: it is tried again, waits, or the customer comes back",
        arguments: [Endpoint.recoverToken, .debugToken]
    )
    func recovery(endpoint: Endpoint) throws {
        let context = try Fixture.context()
        let lost = StepEvent.silent(.exchangeCode)
        let before = endpoint == .recoverToken ? [lost] : [lost, .ok(.recoverToken, ["access_token": "EAAr"])]
        let again = ["1", "2", "131000", "131016", "133004", "131057", "2494100", "131056", "2200", "133015"]
        for row in Self.rows {
            for code in row.codes {
                let key = Self.key(row, code)
                let base = row.system ?? row.business
                let expected =
                    if key == "452" {
                        "fail code_spent, customer"
                    } else if base.hasPrefix("throttle") {
                        row.expected(base, code)
                    } else if again.contains(key) || key == "424242@500" {
                        "retry \(code) as recovery"
                    } else {
                        "fail code_spent, customer"
                    }
                let event = StepEvent.error(endpoint, code, row.subcode, status: row.status)
                let move = Step.exchangeCode.nextMove(context, after: before + [event])
                #expect(move.summary == expected, "\(endpoint.rawValue): \(key), \(row.status)")
            }
        }
    }

    @Test("that nobody knows is doubtful at what may not be repeated when Graph calls it transient", arguments: once)
    func transient(_ call: Call) throws {
        let context = try Fixture.context(call.change)
        let event = StepEvent.error(call.endpoint, 424_242, transient: true)
        let move = call.step.nextMove(context, after: call.before + [event])
        let asOpen = call.own["424242@500"] ?? "retry 424242"
        #expect(move.summary == asOpen.replacing("#", with: "424242"), "\(call.name)")
    }

    @Test("is asked about at every endpoint that Embark calls")
    func endpoints() {
        let calls = Self.reading + Self.setting + Self.number + Self.once
        #expect(Set(calls.map(\.endpoint)).union([.recoverToken]) == Set(Endpoint.allCases))
        #expect(Set(calls.map(\.step)) == Set(Step.allCases))
    }
}
