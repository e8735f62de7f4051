/// What an error code means to an operator: the one place of these words, for the card, the dashboard, the alerts' runbook
/// and the documentation, so that they cannot disagree.
///
/// Beside `Classify`, which decides by the same codes how a job goes on.
public struct Explanation: Sendable, Equatable {
    /// What happened, in a sentence or two.
    public let means: String
    /// Whose move it is, and which.
    public let move: String
    public let replay: Replay
    /// Commands that mend the cause, to be run before the replay; `{id}` stands for the signup's id.
    public let remedies: [String]

    /// What a replay needs. A closed set: the card and SQL must agree on what is refused.
    public enum Replay: String, Sendable, CaseIterable {
        /// From the step at which it failed, as it is.
        case asItIs
        /// From that step, with another PIN.
        case withPIN
        /// From the exchange, with a new code of the customer's.
        case withCode
        /// Not before somebody has said whether the last call had its effect.
        case afterResolving
    }

    /// - Parameter errorCode: as on the signup: Graph's code, with its subcode where there is one, or a word of ours.
    public init(errorCode: String?, waitingOn: Party, step: Step?) {
        let code = errorCode ?? ""
        // An unknown subcode is explained by its code.
        let plainCode = code.split(separator: "/").first.map(String.init) ?? code
        let row =
            Self.rows.first { $0.explains(code, waitingOn, step) }
            ?? Self.rows.first { $0.explains(plainCode, waitingOn, step) }
            ?? Self.otherwise(waitingOn)
        means = row.means
        move = row.move
        remedies = row.remedies
        // A code works once: nothing goes on from the exchange without another.
        replay = step == .exchangeCode && row.replay != .afterResolving ? .withCode : row.replay
    }

    /// The commands to run next, ready to paste: remedies first, then the replay.
    public func commands(id: Int64) -> [String] {
        let reason = #" --reason "…""#
        let last =
            switch replay {
            case .asItIs: ["embark replay {id}" + reason]
            case .withPIN: ["embark replay {id} --pin NNNNNN" + reason]
            case .withCode: ["embark replay {id} --from exchange_code --code -" + reason]
            // One or the other: whichever is true.
            case .afterResolving:
                ["embark resolve {id} --happened" + reason, "embark resolve {id} --did-not-happen" + reason]
            }
        return (remedies + last).map { command in
            command.split(separator: "{id}", omittingEmptySubsequences: false).joined(separator: "\(id)")
        }
    }

    private static func otherwise(_ party: Party) -> Row {
        switch party {
        case .customer:
            Row(
                [],
                "The step cannot go on before the customer has done something.",
                "the customer (see what Meta said), then you (replay)"
            )
        case .operator:
            Row(
                [],
                "The step was refused, or its retries are used up.",
                "you (see what Meta said, mend it, replay)"
            )
        }
    }
}

extension Explanation {
    /// One row of the table: the codes that it explains, for one party or for both, at one step or at all.
    struct Row: Sendable {
        let codes: [String]
        let waitingOn: Party?
        let step: Step?
        let means: String
        let move: String
        let replay: Replay
        let remedies: [String]

        init(
            _ codes: [String],
            waitingOn: Party? = nil,
            step: Step? = nil,
            _ means: String,
            _ move: String,
            _ replay: Replay = .asItIs,
            remedies: [String] = []
        ) {
            self.codes = codes
            self.waitingOn = waitingOn
            self.step = step
            self.means = means
            self.move = move
            self.replay = replay
            self.remedies = remedies
        }

        /// A code can mean one thing at one step and another elsewhere.
        func explains(_ code: String, _ party: Party, _ step: Step?) -> Bool {
            codes.contains(code) && (waitingOn ?? party) == party && (self.step == nil || self.step == step)
        }
    }

    /// In the order of a plan's steps; the first row that fits explains a code.
    static let rows = exchange + credentials + grant + subscription + money + phone + synchronisation + passing + ours

    private static let again =
        "the customer (go through the popup again; upstream renews it, or you replay with the code)"

    private static let exchange = [
        Row(["code_expired"], "The code died before it could be exchanged: it lives 30 seconds.", again, .withCode),
        Row(
            ["code_spent"],
            "The code was sent and its token was lost, or the code is gone: it works once.",
            again,
            .withCode
        ),
        Row(["100/36007"], "Meta says that the code has expired or is malformed.", again, .withCode),
        Row(["100/36009"], "Meta says that the code was used already.", again, .withCode),
        Row(
            ["191"],
            "The redirect URI is not on a domain that the app allows.",
            "you (add the domain in the app's settings), then the customer (a new code)",
            .withCode
        ),
        Row(
            ["1"],
            waitingOn: .operator,
            step: .exchangeCode,
            "Meta refused the app secret: every exchange fails until it is the right one.",
            "you (set EMBARK_APP_SECRET, restart the workers), then the customer (a new code)",
            .withCode
        ),
        Row(
            ["100/36008"],
            "The redirect URI is not the one that the code was issued with; codes of the popup have none.",
            "you (mend what upstream sends as redirect_uri), then the customer (a new code)",
            .withCode
        ),
        Row(
            ["101"],
            "Meta does not know the app.",
            "you (mend --app-id), then the customer (a new code)",
            .withCode,
            remedies: ["embark configure --app-id ID"]
        ),
    ]

    private static let credentials = [
        Row(
            ["190", "102", "token_invalid", "token_missing"],
            waitingOn: .customer,
            "The customer's business token is no longer valid: it was revoked, or it has ended.",
            again,
            .withCode
        ),
        Row(
            ["190", "102"],
            waitingOn: .operator,
            "Our own token is no longer valid: every signup that needs it fails until it is renewed.",
            "you (make a new system user token, set EMBARK_SYSTEM_TOKEN, restart the workers)"
        ),
        Row(
            ["3", "10", "200", "131005"],
            "Our app or its system user lacks a permission that this call needs.",
            "you (App Review, or the system user's role in Business Manager)"
        ),
        Row(
            ["33", "803", "100/33"],
            "Graph does not show us the object: it does not exist, or access to it is missing.",
            "you (check the ids, and that the customer's grant still stands)"
        ),
        Row(["100"], "Meta refused a parameter of the call.", "you (see which one Meta names, mend it, replay)"),
    ]

    private static let grant = [
        Row(
            ["waba_not_granted"],
            "The customer granted access to other accounts than the one that upstream handed in, or to none.",
            "you (find out which account is meant), then the customer (grant it)",
            .withCode
        ),
        Row(
            ["several_wabas"],
            "The customer granted access to several accounts and the signup names none: no guessing.",
            "upstream (enqueue it again with its waba_id and a new code)",
            .withCode
        ),
        Row(
            ["several_phones"],
            "The account has several numbers and the signup names none: no guessing.",
            "you (ask which number is meant and set it on the signup)"
        ),
        Row(
            ["phone_not_granted"],
            "The number that upstream handed in is not one of the account's.",
            "you (ask which number is meant and set it on the signup)"
        ),
        Row(
            ["no_phone"],
            "The account has no number yet.",
            "the customer (add a number to the account), then you (replay)"
        ),
        Row(
            ["other_app"],
            "The token was issued to another app than the installation's: the popup runs under another app id.",
            "you (make the popup and --app-id agree), then the customer (a new code)",
            .withCode,
            remedies: ["embark configure"]
        ),
    ]

    private static let subscription = [
        Row(
            ["2200"],
            "The webhook override's address did not answer Meta's challenge with the verify token.",
            "whoever runs that address (mend it), then you (replay)"
        )
    ]

    private static let money = [
        Row(
            ["funded_elsewhere"],
            "The account is paid for by something that is none of our credit line's allocations.",
            "you and the customer (agree who pays; remove the other payment method first)"
        ),
        Row(
            ["credit_share_elsewhere"],
            "Another signup of the same account is sharing the credit line and is not through.",
            "you (see to that signup first)"
        ),
        Row(
            ["other_waba"],
            "Meta attached the credit line to another account than the signup's: it may be paying for it now.",
            "you (look in Business Manager, take the line back)"
        ),
        Row(
            ["credit_line_missing"],
            "The installation names no credit line to share.",
            "you (name it)",
            remedies: ["embark configure --credit-line-id ID"]
        ),
        Row(
            ["currency_missing"],
            "The signup has no currency to share the credit line in.",
            "you (set its currency)"
        ),
        Row(
            ["effect_uncertain"],
            "The last call may have had its effect, and nothing that can be read tells.",
            "you (look in Business Manager whether it happened, then resolve it)",
            .afterResolving
        ),
    ]

    private static let phone = [
        Row(
            ["133005"],
            "The number already has a PIN, and ours is another one.",
            "the customer (ask for the PIN), or you (set a new one)",
            .withPIN
        ),
        Row(
            ["133006"],
            "The number is not verified: its owner has not entered the code that Meta sent it.",
            "the customer (verify the number in WhatsApp Manager), then you (replay)"
        ),
        Row(
            ["133008", "133009"],
            "The PIN was tried too often or too fast: Meta lets nobody try for a while.",
            "nobody's for some hours; then you (replay, with the right PIN)",
            .withPIN
        ),
        Row(
            ["133016", "register_quota"],
            "The number has used up its register calls: Meta allows 10 in 72 hours, then blocks it.",
            "nobody's until the oldest of them is 72 h old; then you (replay)"
        ),
        Row(
            ["register_elsewhere"],
            "Another signup registers the same number and is not through.",
            "you (see to that signup first)"
        ),
        Row(
            ["133015"],
            "The number was deleted a moment ago and cannot be registered yet.",
            "you (replay in 5 minutes)"
        ),
        Row(
            ["134011"],
            "WhatsApp's payment terms were not accepted for this account.",
            "the customer (accept them in WhatsApp Manager), then you (replay)"
        ),
        Row(
            ["131031"],
            "Meta has locked the account.",
            "the customer (settle it with Meta in WhatsApp Manager), then you (replay)"
        ),
        Row(
            ["131037"],
            "Meta has not approved the number's display name yet.",
            "the customer (have it approved in WhatsApp Manager), then you (replay)"
        ),
        Row(
            ["2388001", "2388012", "2388091", "2388093", "2388103"],
            "The number belongs to another account, or cannot be used for Cloud API.",
            "the customer (free the number, or choose another one), then you (replay)"
        ),
        Row(["phone_missing"], "The signup has no number to register.", "you (set it on the signup)"),
        Row(["pin_missing"], "The signup has no PIN.", "you (set one)", .withPIN),
        Row(
            ["waba_missing"],
            "The signup has no account id.",
            "upstream (enqueue it again with its waba_id)",
            .withCode
        ),
    ]

    private static let synchronisation = [
        Row(
            ["2593108"],
            "The 24 hours in which a number's contacts and history can be asked for are over.",
            again,
            .withCode
        )
    ]

    private static let passing = [
        Row(
            ["1", "2", "131000", "131016", "131057", "133004", "2494100"],
            "Meta was down or did not know what was wrong, for longer than we retry.",
            "you (see Meta's status page, metastatus.com; replay when it is over)"
        ),
        Row(
            ["4", "17", "32", "341", "613", "80007", "80008", "130429", "131056"],
            "A limit of Meta's was hit, for longer than we retry.",
            "you (see the limit in the app's dashboard; replay when it is over)"
        ),
        Row(
            ["368"],
            "Meta has blocked us or the account for a while, for breaking a policy.",
            "you (see the app's alerts; replay when it is over)"
        ),
        Row(
            ["not_sent", "no_answer", "deadline"],
            "Meta could not be reached, or did not answer, for longer than we retry.",
            "you (check the network and Meta's status page, then replay)"
        ),
        Row(
            ["unreadable_answer", "malformed_answer"],
            "What answered does not speak as Graph does: a proxy, or a change on Meta's side.",
            "you (check EMBARK_GRAPH_URL and any proxy, then replay)"
        ),
    ]

    private static let ours = [
        Row(
            ["sealing_failed"],
            "A sealed secret could not be opened, or sealed: a worker lacks the key.",
            "you (give every worker the same EMBARK_SEALING_KEYS, the old keys included)"
        ),
        Row(
            ["too_many_calls", "unreadable_row"],
            "Embark did not know how to go on: a newer version's signup, or a bug.",
            "you (see that all workers run the same version; report it)",
            remedies: ["embark top --once"]
        ),
    ]
}
