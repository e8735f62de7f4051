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
            "verify_token_missing",
            "system_user_missing",
        ]
    )
    func ours(code: String) {
        #expect(ErrorTable.rows.contains { $0.codes.contains(code) })
    }
}
