import Onboarding
import Testing

@Suite("What an answer means")
struct VerdictTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let step: Step
        let events: [StepEvent]
        let expected: String
        var change: @Sendable (inout StepContext) -> Void = { _ in }
        var testDescription: String { "\(step.rawValue) after \(events.count): \(expected)" }
    }

    /// Where the customer's business is not known, so that nothing can be recovered.
    static let exchange: [Case] = exchangeCases.map { one in
        var one = one
        let change = one.change
        one.change = {
            change(&$0)
            $0.signup.businessID = nil
        }
        return one
    }

    private static let exchangeCases: [Case] = [
        Case(
            step: .exchangeCode,
            events: [.ok(.exchangeCode, ["access_token": "EAAb", "token_type": "bearer"])],
            expected: "done"
        ),
        Case(
            step: .exchangeCode,
            events: [.ok(.exchangeCode, ["token_type": "bearer"])],
            expected: "fail code_spent, customer"
        ),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 100, 36_007)], expected: "fail 100/36007, customer"),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 100, 36_009)], expected: "fail 100/36009, customer"),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 100, 36_008)], expected: "fail 100/36008, operator"),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 100)], expected: "fail 100, customer"),
        Case(
            step: .exchangeCode,
            events: [.error(.exchangeCode, 1, message: "Error validating client secret.")],
            expected: "fail 1, operator"
        ),
        Case(
            step: .exchangeCode,
            events: [.error(.exchangeCode, 1, message: "An unknown error occurred")],
            expected: "fail code_spent, customer"
        ),
        Case(
            step: .exchangeCode,
            events: [.error(.exchangeCode, 1, status: 500, message: "Error validating client secret.")],
            expected: "fail code_spent, customer"
        ),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 101)], expected: "fail 101, operator"),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 191)], expected: "fail 191, operator"),
        Case(
            step: .exchangeCode,
            events: [.error(.exchangeCode, 2, status: 503)],
            expected: "fail code_spent, customer"
        ),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 4)], expected: "throttle 4 for 900 s"),
        Case(step: .exchangeCode, events: [.error(.exchangeCode, 424_242)], expected: "fail 424242, operator"),
        Case(
            step: .exchangeCode,
            events: [.error(.exchangeCode, 424_242, status: 500)],
            expected: "fail code_spent, customer"
        ),
        Case(step: .exchangeCode, events: [.html(.exchangeCode, status: 502)], expected: "fail code_spent, customer"),
        Case(step: .exchangeCode, events: [.silent(.exchangeCode)], expected: "fail code_spent, customer"),
        Case(step: .exchangeCode, events: [.unsent(.exchangeCode)], expected: "retry not_sent"),
        Case(
            step: .exchangeCode,
            events: [.unsent(.exchangeCode)],
            expected: "fail code_expired, customer",
            change: { $0.codeSecondsLeft = 0 }
        ),
        Case(
            step: .exchangeCode,
            events: [],
            expected: "fail code_expired, customer",
            change: { $0.codeSecondsLeft = -0.1 }
        ),
        Case(step: .exchangeCode, events: [], expected: "fail code_spent, customer", change: { $0.wasSent = true }),
        Case(
            step: .exchangeCode,
            events: [],
            expected: "fail code_spent, customer",
            change: { $0.credentials.code = nil }
        ),
    ]

    static let numbers: JSON = ["data": [["id": .string(Fixture.phoneID)], ["id": "106540352242923"]]]

    static let verify: [Case] = [
        Case(step: .verifyGrant, events: [.ok(.debugToken, grant())], expected: "call phone_numbers"),
        Case(step: .verifyGrant, events: [.ok(.debugToken, grant()), .ok(.phoneNumbers, numbers)], expected: "done"),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant(valid: false))],
            expected: "fail token_invalid, customer"
        ),
        Case(step: .verifyGrant, events: [.ok(.debugToken, grant(app: "1"))], expected: "fail other_app, operator"),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant(wabas: ["1"]))],
            expected: "fail waba_not_granted, operator"
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant(wabas: []))],
            expected: "fail waba_not_granted, customer",
            change: { $0.signup.wabaID = nil }
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant(wabas: ["1", "2"]))],
            expected: "fail several_wabas, operator",
            change: { $0.signup.wabaID = nil }
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant())],
            expected: "done",
            change: {
                $0.signup.flow = .onlyWABA
                $0.signup.phoneNumberID = nil
            }
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant()), .ok(.phoneNumbers, numbers)],
            expected: "fail several_phones, operator",
            change: { $0.signup.phoneNumberID = nil }
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant()), .ok(.phoneNumbers, ["data": []])],
            expected: "fail no_phone, operator",
            change: { $0.signup.phoneNumberID = nil }
        ),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant()), .ok(.phoneNumbers, ["data": [["id": "9"]]])],
            expected: "fail phone_not_granted, operator"
        ),
        Case(
            step: .verifyGrant,
            events: [
                .ok(.debugToken, grant()),
                .ok(
                    .phoneNumbers,
                    ["data": [["id": "9"]], "paging": ["cursors": ["after": "MTAx"], "next": "https://…"]]
                ),
            ],
            expected: "call phone_numbers"
        ),
        Case(step: .verifyGrant, events: [.silent(.debugToken)], expected: "retry no_answer"),
        Case(
            step: .verifyGrant,
            events: [.ok(.debugToken, grant()), .error(.phoneNumbers, 190, 463, status: 401)],
            expected: "fail 190/463, customer"
        ),
        Case(step: .verifyGrant, events: [.error(.debugToken, 190, status: 401)], expected: "throttle 190 for 300 s"),
    ]

    static let states: [Case] = [
        Case(step: .subscribeApp, events: [.ok(.subscribeApp, ["success": true])], expected: "done"),
        Case(step: .subscribeApp, events: [.silent(.subscribeApp)], expected: "retry no_answer"),
        Case(step: .subscribeApp, events: [.html(.subscribeApp, status: 502)], expected: "retry unreadable_answer"),
        Case(step: .subscribeApp, events: [.ok(.subscribeApp, [:])], expected: "retry malformed_answer"),
        Case(
            step: .subscribeApp,
            events: [.ok(.subscribeApp, ["success": true]), .error(.subscribeApp, 2200)],
            expected: "retry 2200 ≤3",
            change: { $0.signup.overrideCallbackURI = "https://hooks.example/" }
        ),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 100, 33)], expected: "retry 100/33 ≤3 in 5, 15, 35 s"),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 200, status: 403)], expected: "fail 200, operator"),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 80_007)], expected: "throttle 80007 for 900 s"),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 99_999)], expected: "fail 99999, operator"),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 99_999, status: 500)], expected: "retry 99999 ≤3"),
        Case(step: .subscribeApp, events: [.error(.subscribeApp, 99_999, transient: true)], expected: "retry 99999"),
        Case(
            step: .subscribeApp,
            events: [],
            expected: "fail waba_missing, operator",
            change: { $0.signup.wabaID = nil }
        ),
        Case(step: .assignSystemUser, events: [.ok(.assignSystemUser, ["success": true])], expected: "done"),
        Case(
            step: .assignSystemUser,
            events: [.error(.assignSystemUser, 190, status: 401)],
            expected: "throttle 190 for 300 s"
        ),
        Case(step: .assignSystemUser, events: [.unsent(.assignSystemUser)], expected: "retry not_sent"),
    ]

    static let register: [Case] = {
        let pending = StepEvent.ok(
            .readPhone,
            ["id": .string(Fixture.phoneID), "status": "PENDING", "platform_type": "NOT_APPLICABLE"]
        )
        let connected = StepEvent.ok(
            .readPhone,
            ["id": .string(Fixture.phoneID), "status": "CONNECTED", "platform_type": "CLOUD_API"]
        )
        let elsewhere = StepEvent.ok(
            .readPhone,
            ["id": .string(Fixture.phoneID), "status": "CONNECTED", "platform_type": "ON_PREMISE"]
        )
        return [
            Case(step: .registerPhone, events: [], expected: "call read_phone"),
            Case(step: .registerPhone, events: [connected], expected: "done"),
            // What names no number does not say that it is not registered.
            Case(step: .registerPhone, events: [.ok(.readPhone, [:])], expected: "retry malformed_answer"),
            Case(step: .registerPhone, events: [.ok(.readPhone, ["id": "1"])], expected: "retry malformed_answer"),
            // Of another number it says nothing about ours.
            Case(
                step: .registerPhone,
                events: [.ok(.readPhone, ["id": "9", "status": "CONNECTED", "platform_type": "CLOUD_API"])],
                expected: "retry malformed_answer"
            ),
            Case(step: .registerPhone, events: [pending], expected: "call register_phone"),
            Case(step: .registerPhone, events: [elsewhere], expected: "call register_phone"),
            Case(step: .registerPhone, events: [pending, .ok(.registerPhone, ["success": true])], expected: "done"),
            Case(step: .registerPhone, events: [pending, .silent(.registerPhone)], expected: "retry no_answer"),
            Case(
                step: .registerPhone,
                events: [pending, .error(.registerPhone, 133_005)],
                expected: "call read_phone"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .error(.registerPhone, 133_005), pending],
                expected: "fail 133005, customer"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .error(.registerPhone, 133_005), connected],
                expected: "done"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .error(.registerPhone, 133_006)],
                expected: "fail 133006, customer"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .error(.registerPhone, 133_004, status: 503)],
                expected: "retry 133004"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .refused(.registerQuota(used: 4))],
                expected: "fail register_quota, operator"
            ),
            Case(
                step: .registerPhone,
                events: [pending, .refused(.registerElsewhere(signupID: 8))],
                expected: "wait register_elsewhere for 2 s"
            ),
            Case(
                step: .registerPhone,
                events: [pending],
                expected: "fail pin_missing, operator",
                change: { $0.credentials.pin = nil }
            ),
        ]
    }()

    static let message: [Case] = [
        Case(
            step: .sendTestMessage,
            events: [
                .ok(
                    .sendTestMessage,
                    [
                        "messaging_product": "whatsapp",
                        "contacts": [["input": "+16505551234", "wa_id": "16505551234"]],
                        "messages": [["id": "wamid.HBgL"]],
                    ]
                )
            ],
            expected: "done"
        ),
        Case(step: .sendTestMessage, events: [.silent(.sendTestMessage)], expected: "uncertain no_answer"),
        Case(
            step: .sendTestMessage,
            events: [.error(.sendTestMessage, 131_000, status: 500)],
            expected: "uncertain 131000"
        ),
        Case(step: .sendTestMessage, events: [.ok(.sendTestMessage, [:])], expected: "uncertain malformed_answer"),
        Case(step: .sendTestMessage, events: [.error(.sendTestMessage, 131_047)], expected: "fail 131047, operator"),
        Case(step: .sendTestMessage, events: [.unsent(.sendTestMessage)], expected: "retry not_sent"),
        Case(step: .sendTestMessage, events: [], expected: "uncertain effect_uncertain", change: { $0.wasSent = true }),
    ]

    static let sync: [Case] = [
        Case(step: .syncHistory, events: [.ok(.syncAppData, ["request_id": "r"])], expected: "done"),
        Case(step: .syncHistory, events: [.error(.syncAppData, 2_593_107)], expected: "done"),
        Case(step: .syncHistory, events: [.silent(.syncAppData)], expected: "uncertain no_answer"),
        Case(step: .syncContacts, events: [], expected: "uncertain effect_uncertain", change: { $0.wasSent = true }),
    ]

    @Test(
        "is the verdict that the contract gives it",
        arguments: exchange + verify + states + register + message + sync
    )
    func verdict(_ one: Case) throws {
        let context = try Fixture.context(one.change)
        #expect(one.step.nextMove(context, after: one.events).summary == one.expected)
    }

    @Test("what was learnt is kept")
    func facts() throws {
        let context = try Fixture.context {
            $0.signup.wabaID = nil
            $0.signup.phoneNumberID = nil
        }
        let exchanged = Step.exchangeCode.nextMove(
            context,
            after: [.ok(.exchangeCode, ["access_token": "EAAnew", "expires_in": 5_183_944])]
        )
        #expect(exchanged == .finish(.done(Facts(businessToken: Secret("EAAnew"), tokenLifetimeSeconds: 5_183_944))))
        let verified = Step.verifyGrant.nextMove(
            context,
            after: [.ok(.debugToken, grant()), .ok(.phoneNumbers, ["data": [["id": .string(Fixture.phoneID)]]])]
        )
        #expect(verified == .finish(.done(Facts(wabaID: Fixture.wabaID, phoneNumberID: Fixture.phoneID))))
        let sent = Step.sendTestMessage.nextMove(
            try Fixture.context(),
            after: [
                .ok(.sendTestMessage, ["contacts": [["wa_id": "16505551234"]], "messages": [["id": "wamid.HBgL"]]])
            ]
        )
        #expect(sent == .finish(.done(Facts(testMessageID: "wamid.HBgL", testMessageWAID: "16505551234"))))
    }

    @Test("nothing that is secret can be printed")
    func secrets() throws {
        let context = try Fixture.context()
        for text in ["\(context)", String(reflecting: context), "\(Step.exchangeCode.nextMove(context))"] {
            for secret in ["614fc2", "EAAsystem", "EAAbusiness", "AQBhl", "000123", "verify-me"] {
                #expect(!text.contains(secret))
            }
        }
    }
}
