/// What each error code is explained by: the table as a whole, and the rows that people meet most.
import Testing

@testable import Onboarding

@Suite("An explanation") struct ExplanationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let code: String?
        let party: Party
        let step: Step
        let means: String
        let replay: Explanation.Replay
        let commands: [String]
        var testDescription: String { "\(code ?? "none") for the \(party) at \(step)" }
    }

    static let cases = [
        Case(
            code: "133005",
            party: .customer,
            step: .registerPhone,
            means: "The number already has a PIN, and ours is another one.",
            replay: .withPIN,
            commands: [#"embark replay 4711 --pin NNNNNN --reason "…""#]
        ),
        Case(
            code: "code_expired",
            party: .customer,
            step: .exchangeCode,
            means: "The code died before it could be exchanged: it lives 30 seconds.",
            replay: .withCode,
            commands: [#"embark replay 4711 --from exchange_code --code - --reason "…""#]
        ),
        Case(
            code: "100/36009",
            party: .customer,
            step: .exchangeCode,
            means: "Meta says that the code was used already.",
            replay: .withCode,
            commands: [#"embark replay 4711 --from exchange_code --code - --reason "…""#]
        ),
        Case(
            code: "190",
            party: .customer,
            step: .subscribeApp,
            means: "The customer's business token is no longer valid: it was revoked, or it has ended.",
            replay: .withCode,
            commands: [#"embark replay 4711 --from exchange_code --code - --reason "…""#]
        ),
        Case(
            code: "190/463",
            party: .operator,
            step: .shareCreditLine,
            means: "Our own token is no longer valid: everything that needs it waits until it is renewed.",
            replay: .asItIs,
            commands: [#"embark resume system --reason "…""#, #"embark replay 4711 --reason "…""#]
        ),
        Case(
            code: "effect_uncertain",
            party: .operator,
            step: .shareCreditLine,
            means: "The last call may have had its effect, and nothing that can be read tells.",
            replay: .afterResolving,
            commands: [
                #"embark resolve 4711 --happened --reason "…""#, #"embark resolve 4711 --did-not-happen --reason "…""#,
            ]
        ),
        Case(
            code: "credit_share_elsewhere",
            party: .operator,
            step: .shareCreditLine,
            means: "Another signup of the same account has the share of the credit line, and the account shows none.",
            replay: .takingOver,
            commands: [
                #"embark replay 4711 --reason "…""#, #"embark resolve 4711 --did-not-happen --reason "…""#,
            ]
        ),
        Case(
            code: "credit_line_missing",
            party: .operator,
            step: .shareCreditLine,
            means: "The installation names no credit line to share.",
            replay: .asItIs,
            commands: ["embark configure --credit-line-id ID", #"embark replay 4711 --reason "…""#]
        ),
        Case(
            code: "several_wabas",
            party: .operator,
            step: .verifyGrant,
            means: "The customer granted access to several accounts and the signup names none: no guessing.",
            replay: .anew,
            commands: [#"embark cancel 4711 --reason "…""#]
        ),
        Case(
            code: "987654",
            party: .customer,
            step: .registerPhone,
            means: "The step cannot go on before the customer has done something.",
            replay: .asItIs,
            commands: [#"embark replay 4711 --reason "…""#]
        ),
        Case(
            code: "1",
            party: .operator,
            step: .exchangeCode,
            means: "Meta refused the app secret: every exchange would fail, so all work rests.",
            replay: .withCode,
            commands: [
                #"embark resume app --reason "…""#, #"embark replay 4711 --from exchange_code --code - --reason "…""#,
            ]
        ),
        Case(
            code: "1",
            party: .operator,
            step: .subscribeApp,
            means: "Meta was down or did not know what was wrong, for longer than we retry.",
            replay: .asItIs,
            commands: [#"embark replay 4711 --reason "…""#]
        ),
        Case(
            code: nil,
            party: .operator,
            step: .exchangeCode,
            means: "The step was refused, or its retries are used up.",
            replay: .withCode,
            commands: [#"embark replay 4711 --from exchange_code --code - --reason "…""#]
        ),
    ]

    @Test("says what it means and what to type", arguments: cases)
    func texts(expected: Case) {
        let explanation = Explanation(errorCode: expected.code, waitingOn: expected.party, step: expected.step)
        #expect(explanation.means == expected.means)
        #expect(explanation.replay == expected.replay)
        #expect(explanation.commands(id: 4711) == expected.commands)
    }

    @Test(
        "names whoever mends it and then the customer where it stopped at the exchange, for the code is used",
        arguments: [
            ("200", "you (App Review, or the system user's role in Business Manager), then the customer (a new code)"),
            ("10", "you (App Review, or the system user's role in Business Manager), then the customer (a new code)"),
            ("3", "you (ask Meta to enable the app for it), then the customer (a new code)"),
            ("5", "you (add the workers' addresses in the app's settings), then the customer (a new code)"),
            ("368", "you (see the app's alerts; replay when it is over), then the customer (a new code)"),
            ("987654", "you (see what Meta said, mend it), then the customer (a new code)"),
            // Its own words say so.
            ("101", "you (mend --app-id), then the customer (a new code)"),
        ]
    )
    func exchange(code: String, move: String) {
        let explanation = Explanation(errorCode: code, waitingOn: .operator, step: .exchangeCode)
        #expect(explanation.move == move)
        #expect(explanation.replay == .withCode)
        let later = Explanation(errorCode: code, waitingOn: .operator, step: .subscribeApp)
        #expect(code == "101" || !later.move.contains("a new code"))
    }

    @Test(
        "has what was left out enqueued under another external id, for the same one means the same signup",
        arguments: ["several_wabas", "waba_missing", "verify_token_missing"]
    )
    func anew(code: String) {
        let explanation = Explanation(errorCode: code, waitingOn: .operator, step: .verifyGrant)
        #expect(explanation.replay == .anew)
        #expect(explanation.move.contains("under another external_id") && explanation.move.contains("a new code"))
        #expect(explanation.commands(id: 4711) == [#"embark cancel 4711 --reason "…""#])
    }

    @Test("prints no replay that would be refused, and what mends the cause all the same")
    func tooEarly() {
        let explanation = Explanation(errorCode: "system_user_missing", waitingOn: .operator, step: .assignSystemUser)
        #expect(
            explanation.commands(id: 4711, isTooEarly: true)
                == ["embark configure --system-user-id ID", "embark signup show 4711"]
        )
    }

    @Test("stands in the table once for each code and party")
    func unambiguous() {
        for party in Party.allCases {
            let codes = ErrorTable.rows.filter { ($0.waitingOn ?? party) == party }
                .flatMap { row in row.codes.map { $0 + (row.step.map { " at \($0.rawValue)" } ?? "") } }
            #expect(Set(codes).count == codes.count, "\(codes.sorted())")
        }
    }

    @Test("fits into a card: three lines for what it means, two for the move")
    func lengths() {
        for row in ErrorTable.rows {
            #expect(row.means.count <= 170 && row.means.hasSuffix("."), "\(row.codes)")
            #expect(row.move.count <= 120 && !row.move.hasSuffix("."), "\(row.codes)")
            #expect(row.remedies.allSatisfy { $0.hasPrefix("embark ") }, "\(row.codes)")
            for step in Step.allCases where row.step == nil || row.step == step {
                let move = Explanation(errorCode: row.codes[0], waitingOn: row.waitingOn ?? .operator, step: step).move
                #expect(move.count <= 126, "\(row.codes) at \(step.rawValue)")
            }
        }
    }

    /// Every word that the steps and the workers give as an error code.
    @Test(
        "has a row for each code of ours",
        arguments: [
            "code_expired", "code_spent", "token_missing", "token_invalid", "waba_missing", "phone_missing",
            "pin_missing",
            "currency_missing", "credit_line_missing", "waba_not_granted", "several_wabas", "several_phones",
            "no_phone",
            "phone_not_granted", "other_app", "other_waba", "funded_elsewhere", "credit_share_elsewhere",
            "register_quota", "register_elsewhere",
            "effect_uncertain", "not_sent", "no_answer", "deadline", "malformed_answer", "unreadable_answer",
            "sealing_failed", "sealing_key_missing", "too_many_calls", "unreadable_row", "interrupted", "paused",
            "verify_token_missing", "recipient_missing",
            "system_user_missing",
        ]
    )
    func ours(code: String) {
        #expect(ErrorTable.rows.contains { $0.codes.contains(code) })
    }
}
