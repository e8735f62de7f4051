/// What one code of Meta's leads to at one step and not at another, written by hand: from "WhatsApp error codes" and, where
/// that says nothing, from what others have seen. The line says which row of it is meant.
import Onboarding
import Testing

@Suite("A code at its step")
struct CodeAtStepTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let row: String
        let step: Step
        let events: [StepEvent]
        let expected: String
        var change: @Sendable (inout StepContext) -> Void = { _ in }
        var testDescription: String { "\(row): \(expected)" }
    }

    private static func exchange(
        _ row: String,
        _ event: StepEvent,
        _ expected: String,
        known: Bool = true
    ) -> Case {
        Case(row: row, step: .exchangeCode, events: [event], expected: expected) {
            if !known { $0.signup.businessID = nil }
        }
    }

    private static func at(_ step: Step, _ row: String, _ events: [StepEvent], _ expected: String) -> Case {
        Case(row: row, step: step, events: events, expected: expected)
    }

    private static let done = StepEvent.ok(.subscribeApp, ["success": true])

    static let cases = [
        // The code. What Graph says of it decides before anything else.
        exchange("100/36007 expired", .error(.exchangeCode, 100, 36_007), "call recover_token"),
        exchange("100/36007 expired", .error(.exchangeCode, 100, 36_007), "fail 100/36007, customer", known: false),
        exchange("100/36009 used", .error(.exchangeCode, 100, 36_009), "call recover_token"),
        exchange("100/36008 redirect_uri", .error(.exchangeCode, 100, 36_008), "fail 100/36008, operator"),
        exchange("100 malformed code", .error(.exchangeCode, 100), "fail 100, customer"),
        exchange("100 is terminal there whatever its subcode", .error(.exchangeCode, 100, 33), "fail 100/33, customer"),
        exchange("101 unknown app", .error(.exchangeCode, 101), "fail 101, operator"),
        exchange("191 redirect domain", .error(.exchangeCode, 191), "fail 191, operator"),
        exchange(
            "1 wrong secret",
            .error(.exchangeCode, 1, message: "Error validating client secret."),
            "fail 1, operator"
        ),
        exchange("1 otherwise", .error(.exchangeCode, 1), "call recover_token"),
        exchange(
            "2 may have spent it",
            .error(.exchangeCode, 2, status: 503),
            "fail code_spent, customer",
            known: false
        ),
        exchange("4 told to wait", .error(.exchangeCode, 4), "throttle 4 for 900 s"),
        exchange("80007 told to wait", .error(.exchangeCode, 80_007), "throttle 80007 for 900 s"),
        exchange("not sent", .unsent(.exchangeCode), "retry not_sent"),
        // The override, which Graph refuses until it sees the plain subscription.
        Case(
            row: "100 before override",
            step: .subscribeApp,
            events: [
                done,
                .error(
                    .subscribeApp,
                    100,
                    message: "(#100) Before override the current callback uri, your app must be subscribed to receive "
                        + "messages for WhatsApp Business Account"
                ),
            ],
            expected: "retry 100 ≤3 in 5, 15, 35 s"
        ) { $0.signup.overrideCallbackURI = "https://hooks.example.com/a" },
        Case(
            row: "2200 callback verification failed",
            step: .subscribeApp,
            events: [done, .error(.subscribeApp, 2200)],
            expected: "retry 2200 ≤3"
        ) { $0.signup.overrideCallbackURI = "https://hooks.example.com/a" },
        at(.subscribeApp, "100 otherwise", [.error(.subscribeApp, 100)], "fail 100, operator"),
        at(.subscribeApp, "506 asked for before", [.error(.subscribeApp, 506)], "call read_subscriptions"),
        at(.subscribeApp, "190 of the customer", [.error(.subscribeApp, 190, status: 401)], "fail 190, customer"),
        at(.assignSystemUser, "190 of ours", [.error(.assignSystemUser, 190, status: 401)], "throttle 190 for 300 s"),
        // Once only.
        at(.syncContacts, "2593107 done already", [.error(.syncAppData, 2_593_107)], "done"),
        at(.syncHistory, "2593109 not shared", [.error(.syncAppData, 2_593_109)], "done"),
        at(.syncHistory, "2593108 too late", [.error(.syncAppData, 2_593_108)], "fail 2593108, customer"),
        at(.syncHistory, "2 leaves it open", [.error(.syncAppData, 2, status: 503)], "uncertain 2"),
    ]

    @Test("leads where Meta's words lead", arguments: cases)
    func move(_ one: Case) throws {
        let context = try Fixture.context(one.change)
        #expect(one.step.nextMove(context, after: one.events).summary == one.expected)
    }
}
