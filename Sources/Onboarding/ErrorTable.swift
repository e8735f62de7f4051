/// Every error code, with what follows from it and the words for people: the one table that the steps decide by and that the
/// command line, the pages and the documentation read.
///
/// Meta's codes are from "WhatsApp error codes" (2026-05-27), "Graph API rate limiting", "Register a business phone number"
/// and "Managing credit lines"; what Meta does not document is marked.
enum ErrorTable {
    /// How a job goes on after an error of Graph's.
    enum Reaction: Sendable, Equatable {
        /// It passes by itself.
        case retry(Patience)
        /// A limit was hit: the row's `limit` says whose, and the step waits for its end.
        case throttle
        /// The call's token is refused: the customer's move, or ours for all signups at once.
        case token
        /// Graph says that it is so already: that is looked at before it is believed.
        case alreadySo
        /// It was done before, and that counts.
        case done
        /// The code is dead or spent: its token can be recovered without it, where the business and our token are known.
        case recover
        /// The registration is torn half down: deregistered to the end, then registered.
        case deregister
        /// The number's registration is at fault: it is registered again, once.
        case register
        case fail(Party)
        /// Whoever pays for the account: a solution partner itself, else the customer.
        case failPayer
    }

    /// The codes that it explains, for one party or for both, at one step or at all.
    struct Row: Sendable {
        let codes: [String]
        let waitingOn: Party?
        let step: Step?
        /// nil for a word of ours, whose verdict stands where it is given.
        let reaction: Reaction?
        /// The limit behind the code, if it is one.
        let limit: Limit?
        let means: String
        let move: String
        let replay: Explanation.Replay
        let remedies: [String]
        /// What Embark does by itself, for a word of ours, which has no reaction.
        let then: String

        init(
            _ codes: [String],
            _ reaction: Reaction?,
            limit: Limit? = nil,
            waitingOn: Party? = nil,
            step: Step? = nil,
            _ means: String,
            _ move: String,
            _ replay: Explanation.Replay = .asItIs,
            remedies: [String] = [],
            then: String = "ends there"
        ) {
            self.codes = codes
            self.reaction = reaction
            self.limit = limit
            self.waitingOn = waitingOn
            self.step = step
            self.means = means
            self.move = move
            self.replay = replay
            self.remedies = remedies
            self.then = then
        }

        /// A word of ours.
        init(
            _ codes: [String],
            waitingOn: Party? = nil,
            step: Step? = nil,
            _ means: String,
            _ move: String,
            _ replay: Explanation.Replay = .asItIs,
            remedies: [String] = [],
            then: String = "ends there"
        ) {
            self.init(
                codes,
                nil,
                waitingOn: waitingOn,
                step: step,
                means,
                move,
                replay,
                remedies: remedies,
                then: then
            )
        }

        /// A code can mean one thing at one step and another elsewhere. A party that is not known fits every row.
        fileprivate func explains(_ code: String, _ party: Party?, _ step: Step?) -> Bool {
            codes.contains(code) && (waitingOn == nil || party == nil || waitingOn == party)
                && (self.step == nil || self.step == step)
        }
    }

    /// - Parameter code: as a signup has it: Graph's code, with its subcode where there is one, or a word of ours. An unknown
    ///   subcode is explained by its code.
    static func row(code: String, _ party: Party?, _ step: Step?) -> Row? {
        let plain = code.split(separator: "/").first.map(String.init) ?? code
        return rows.first { $0.explains(code, party, step) } ?? rows.first { $0.explains(plain, party, step) }
    }

    /// The row that decides about an answer of Graph's.
    static func row(for error: GraphError, at step: Step) -> Row? {
        deciding(error.name, step) ?? deciding("\(error.code)", step)
    }

    private static func deciding(_ code: String, _ step: Step) -> Row? {
        decidingRows[code]?.first { $0.step == nil || $0.step == step }
    }

    /// By code, those of each in the table's order: to look through the table would be most of what a verdict costs.
    private static let decidingRows: [String: [Row]] = rows.reduce(into: [:]) { table, row in
        if row.reaction != nil { for code in row.codes { table[code, default: []].append(row) } }
    }

    /// Those of one step come before those of any: the first row that fits explains a code.
    static let rows =
        exchange + testMessage + synchronisation + limits + credentials + access + subscription + money + registration
        + passing + refusals + ours

    private static let again =
        "the customer (go through the popup again; upstream renews it, or you replay with the code)"

    // MARK: The exchange

    private static let exchange = [
        Row(["code_expired"], "The code died before it could be exchanged: it lives 30 seconds.", again, .withCode),
        Row(
            ["code_spent"],
            "The code was sent and its token was lost, or the code is gone: it works once.",
            again,
            .withCode
        ),
        Row(["100/36007"], .recover, "Meta says that the code has expired.", again, .withCode),
        Row(["100/36009"], .recover, "Meta says that the code was used already.", again, .withCode),
        Row(
            ["100/36008"],
            .fail(.operator),
            "The redirect URI is not the one that the code was issued with; codes of the popup have none.",
            "you (mend what upstream sends as redirect_uri), then the customer (a new code)",
            .withCode
        ),
        Row(
            // Every other code 100 of this call, whatever its subcode, is about the code.
            ["100", "100/33"],
            .fail(.customer),
            step: .exchangeCode,
            "Meta does not take the code: it was cut short, or it is another app's.",
            again,
            .withCode
        ),
        Row(
            ["1"],
            waitingOn: .operator,
            step: .exchangeCode,
            "Meta refused the app secret: every exchange would fail, so all work rests.",
            "you (set EMBARK_APP_SECRET, restart the workers, resume), then the customer (a new code)",
            .withCode,
            remedies: [#"embark resume app --reason "…""#]
        ),
        Row(
            ["101"],
            .fail(.operator),
            "Meta does not know the app.",
            "you (mend --app-id), then the customer (a new code)",
            .withCode,
            remedies: ["embark configure --app-id ID"]
        ),
        Row(
            ["191"],
            .fail(.operator),
            "The redirect URI is not on a domain that the app allows.",
            "you (add the domain in the app's settings), then the customer (a new code)",
            .withCode
        ),
    ]

    // MARK: The test message, which is a check and no part of the onboarding

    private static let testMessage = [
        Row(
            ["131031"],
            .fail(.customer),
            step: .sendTestMessage,
            "The number is registered, but Meta has locked the account: it cannot send.",
            "the customer (settle it with Meta in WhatsApp Manager)"
        ),
        Row(
            ["131037"],
            .fail(.customer),
            step: .sendTestMessage,
            "The number is registered, but Meta has not approved its display name: it cannot send yet.",
            "the customer (have the name approved in WhatsApp Manager)"
        ),
        Row(
            ["131042"],
            .failPayer,
            waitingOn: .operator,
            "The account cannot pay: no credit line, one over its limit, or no currency or time zone set.",
            "you, who share the credit line (see in Business Manager whether it is attached)"
        ),
        Row(
            ["131042"],
            .failPayer,
            waitingOn: .customer,
            "The account cannot pay: no payment method, or no currency or time zone set.",
            "the customer (add a payment method in WhatsApp Manager)"
        ),
        Row(
            ["131047"],
            .fail(.operator),
            "Nobody has written to the number in the last 24 hours, so it may not send a free message.",
            "you (have the recipient write to the number first)"
        ),
        Row(
            ["131021"],
            .fail(.operator),
            "The test message's recipient is the number itself.",
            "upstream (give another test_recipient)"
        ),
        Row(
            ["recipient_missing"],
            "The signup names nobody to send the test message to.",
            "upstream (give a test_recipient)"
        ),
        Row(
            ["131026", "131030"],
            .fail(.operator),
            "The recipient cannot be reached: no WhatsApp, or a test number that does not list it.",
            "upstream (give another test_recipient)"
        ),
        Row(
            ["131048", "131049", "131050"],
            .fail(.operator),
            "Meta holds messages to this recipient back: too many, or it has opted out.",
            "upstream (give another test_recipient)"
        ),
        Row(
            ["131051", "131052", "131053"],
            .fail(.operator),
            "Meta does not take this kind of message.",
            "you (report it: Embark sends plain text alone)"
        ),
        Row(
            ["133010"],
            .register,
            "The number is not registered.",
            "you (replay; if it comes again, ask Meta with the fbtrace id)"
        ),
    ]

    // MARK: Coexistence

    private static let synchronisation = [
        Row(
            ["2593107", "2593109"],
            .done,
            "The synchronisation was asked for before, or the customer shares no history: that counts.",
            "nobody's"
        ),
        Row(
            ["2593108"],
            .fail(.customer),
            "The 24 hours in which a number's contacts and history can be asked for are over.",
            again,
            .withCode
        ),
    ]

    // MARK: Limits. The default pauses are ours: Meta names the time in its usage headers where it does.

    private static let seeLimit = "you (see the limit in the app's dashboard; it goes on by itself)"

    private static let limits = [
        Row(
            ["4", "32", "341"],
            .throttle,
            limit: Limit(.app, seconds: 900),
            "The app's limit of calls was hit.",
            seeLimit
        ),
        Row(
            ["17"],
            .throttle,
            limit: Limit(.token, seconds: 900),
            "A limit of calls of the token's user was hit.",
            seeLimit
        ),
        Row(["613"], .throttle, limit: Limit(.own, seconds: 3600), "A limit of this kind of call was hit.", seeLimit),
        Row(
            ["80007", "80008"],
            .throttle,
            limit: Limit(.waba, seconds: 900),
            "The account's limit of calls was hit.",
            seeLimit
        ),
        Row(
            ["130429"],
            .throttle,
            limit: Limit(.phone, seconds: 60),
            "The number's limit of messages and calls was hit.",
            seeLimit
        ),
        Row(
            ["133008"],
            .fail(.customer),
            limit: Limit(.phone, seconds: 3600),
            "The PIN was guessed wrong too often: Meta lets nobody try for a while.",
            "the customer (ask for the PIN); then you (replay, when the pause is over)",
            .withPIN
        ),
        Row(
            ["133009"],
            .throttle,
            limit: Limit(.phone, seconds: 300),
            "The PIN was entered too fast: Meta lets nobody try for some minutes.",
            "nobody's: it goes on by itself"
        ),
        Row(
            ["133016"],
            .throttle,
            limit: Limit(.phone, seconds: 72 * 3600),
            "The number has used up its register calls: Meta blocks it for 72 hours.",
            "nobody's: it goes on by itself; find out who else registers the number"
        ),
        Row(
            ["register_quota"],
            "The number's register calls are used up: Embark makes 4 in 72 hours by itself; at the 11th Meta blocks it.",
            "you (see why the calls failed, then replay: a replay is one call, with at most 9 in 72 h)"
        ),
        Row(
            ["paused"],
            "A limit of Meta's or an operator has paused this.",
            "nobody's: it goes on by itself; embark resume ends a pause that you know to be over",
            then: "waits, and is tried again"
        ),
    ]

    // MARK: Tokens

    /// Session errors, which Meta numbers 102, 190 and in the forties and sixties of 4xx.
    private static let tokenCodes = ["0", "102", "190"] + (450...469).map(String.init)

    private static let credentials = [
        Row(
            ["452", "3962"],
            .fail(.operator),
            step: .exchangeCode,
            "Meta does not let our system user fetch the customer's token.",
            "you (see the system user's role), or the customer (go through the popup again)",
            .withCode
        ),
        Row(
            tokenCodes,
            .token,
            waitingOn: .customer,
            "The customer's business token is no longer valid: it was revoked, or it has ended.",
            again,
            .withCode
        ),
        Row(
            ["token_invalid", "token_missing"],
            "The customer's business token is no longer valid: it was revoked, or it has ended.",
            again,
            .withCode
        ),
        Row(
            tokenCodes,
            .token,
            waitingOn: .operator,
            "Our own token is no longer valid: everything that needs it waits until it is renewed.",
            "you (make a new system user token, set EMBARK_SYSTEM_TOKEN, restart the workers, then resume)",
            remedies: [#"embark resume system --reason "…""#]
        ),
        Row(
            ["104"],
            .fail(.operator),
            "The call carried no token, or one that was signed for another app.",
            "you (see that app id, app secret and tokens are of one app)"
        ),
    ]

    // MARK: Permissions and objects

    private static let permissionCodes = ["10", "131005"] + (200...299).map(String.init)

    private static let access = [
        Row(
            permissionCodes,
            .fail(.operator),
            step: .shareCreditLine,
            "Our system user may not share the credit line: it must be Admin or Financial Editor, the credit terms accepted.",
            "you (see the user's role; accept the Credit Allocation API terms in Business Settings, then replay)"
        ),
        Row(
            ["3"],
            .fail(.operator),
            "The app may not make this call: Meta has not put it on the call's allow-list.",
            "you (ask Meta to enable the app for it, then replay)"
        ),
        Row(
            ["5"],
            .fail(.operator),
            "The app allows calls from listed addresses only, and this worker's is none of them.",
            "you (add the workers' addresses in the app's settings, then replay)"
        ),
        Row(
            permissionCodes,
            .fail(.operator),
            "Our app or its system user lacks a permission that this call needs.",
            "you (App Review, or the system user's role in Business Manager)"
        ),
        Row(
            ["33", "803", "100/33"],
            .retry(.propagation),
            "Graph does not show us the object: it does not exist, or access to it is missing.",
            "you (check the ids, and that the customer's grant still stands)"
        ),
        Row(
            ["368"],
            .fail(.operator),
            "Meta has blocked us or the account for a while, for breaking a policy.",
            "you (see the app's alerts; replay when it is over)"
        ),
    ]

    /// The same external id means the same signup, and is refused with other content.
    private static let enqueuedWithAccount =
        "upstream (enqueue it again under another external_id, with its waba_id and a new code); you (give this one up)"

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
            enqueuedWithAccount,
            .anew
        ),
        Row(
            ["several_phones"],
            "The account has several numbers and the signup names none: no guessing.",
            "you (ask which number is meant, and name it)",
            .withPhone
        ),
        Row(
            ["phone_not_granted"],
            "The number that upstream handed in is not one of the account's.",
            "you (ask which number is meant, and name it)",
            .withPhone
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

    // MARK: Webhooks

    private static let subscription = [
        Row(
            ["2200"],
            .retry(.atMost(3)),
            "The webhook override's address did not answer Meta's challenge with the verify token.",
            "whoever runs that address (mend it), then you (replay)"
        ),
        Row(
            ["verify_token_missing"],
            "The webhook override has no verify token.",
            "upstream (enqueue it again under another external_id, with its token and a new code); you (give this one up)",
            .anew
        ),
        Row(
            ["system_user_missing"],
            "The installation names no system user.",
            "you (name it)",
            remedies: ["embark configure --system-user-id ID"]
        ),
    ]

    // MARK: Money

    private static let money = [
        Row(
            ["funded_elsewhere"],
            "The account is paid for by something that is none of our credit line's allocations.",
            "you and the customer (agree who pays; remove the other payment method first)"
        ),
        Row(
            ["credit_share_elsewhere"],
            "Another signup of the same account has the share of the credit line, and the account shows none.",
            "you (see to that signup; when it has ended and no line is there, resolve this one)",
            .takingOver
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
            "you (ask which, and name it)",
            .withCurrency
        ),
        Row(
            ["134011"],
            .fail(.customer),
            "WhatsApp's payment terms were not accepted for this account.",
            "the customer (accept them in WhatsApp Manager), then you (replay)"
        ),
        Row(
            ["effect_uncertain"],
            "The last call may have had its effect, and nothing that can be read tells.",
            "you (look in Business Manager whether it happened, then resolve it)",
            .afterResolving
        ),
    ]

    // MARK: The number

    private static let registration =
        grant + [
            Row(
                ["133000"],
                .deregister,
                "The number's last deregistration was not finished, and finishing it did not help.",
                "you (ask Meta with the fbtrace id, then replay)"
            ),
            Row(
                ["131045"],
                .register,
                "The number's certificate is not right, and registering it once more did not help.",
                "you (see the number's name and certificate in WhatsApp Manager, then replay)"
            ),
            Row(
                ["133005"],
                .fail(.customer),
                "The number already has a PIN, and ours is another one.",
                "the customer (ask for the PIN), or you (set a new one)",
                .withPIN
            ),
            Row(
                ["133006"],
                .fail(.customer),
                "The number is not verified: its owner has not entered the code that Meta sent it.",
                "the customer (verify the number in WhatsApp Manager), then you (replay)"
            ),
            Row(
                ["133015"],
                .retry(.deletedNumber),
                "The number was deleted a moment ago and cannot be registered yet.",
                "you (replay in 5 minutes)"
            ),
            Row(
                ["131031"],
                .fail(.customer),
                "Meta has locked the account.",
                "the customer (settle it with Meta in WhatsApp Manager), then you (replay)"
            ),
            Row(
                ["131037"],
                .fail(.customer),
                "Meta has not approved the number's display name yet.",
                "the customer (have it approved in WhatsApp Manager), then you (replay)"
            ),
            Row(
                ["2388001", "2388012", "2388091", "2388093", "2388103"],
                .fail(.customer),
                "The number belongs to another account, or cannot be used for Cloud API.",
                "the customer (free the number or choose another one, and go through the popup again)",
                .withCode
            ),
            Row(
                ["2593079", "2593085"],
                .fail(.operator),
                "The account is being moved to another owner, or was made on behalf of somebody.",
                "you (settle with Meta who owns the account, then replay)"
            ),
            Row(
                ["506", "1752041"],
                .alreadySo,
                "Meta says that this was asked for before, and the account does not show it.",
                "you (look in Business Manager, then replay)"
            ),
            Row(
                ["register_elsewhere"],
                "Another signup registers the same number and is not through.",
                "you (see to that signup first)"
            ),
            Row(["phone_missing"], "The signup has no number to register.", "you (name it)", .withPhone),
            Row(["pin_missing"], "The signup has no PIN.", "you (set one)", .withPIN),
            Row(
                ["waba_missing"],
                "The signup has no account id.",
                enqueuedWithAccount,
                .anew
            ),
        ]

    // MARK: What passes

    private static let down = "you (see Meta's status page, metastatus.com; replay when it is over)"
    private static let downMeans = "Meta was down or did not know what was wrong, for longer than we retry."

    private static let passing = [
        Row(["1"], .retry(.atMost(2)), downMeans, down),
        Row(["131000"], .retry(.atMost(3)), downMeans, down),
        Row(["2", "131016", "133004"], .retry(.policy), downMeans, down),
        Row(
            ["131057", "2494100"],
            .retry(.slow),
            "Meta was at work on the account, for longer than we retry.",
            "you (replay when it is over)"
        ),
        Row(
            ["131056"],
            .retry(.slow),
            "The number has written to this recipient too often in a short time.",
            "you (wait, then replay)"
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

    // MARK: What does not pass

    private static let refusals = [
        Row(
            ["100", "135000"],
            .fail(.operator),
            "Meta refused a parameter of the call, or the object is in no state for it.",
            "you (see which one Meta names, mend it, replay)"
        ),
        Row(
            ["131008", "131009"],
            .fail(.operator),
            "Meta misses a parameter or refuses its value; or the number is not this account's.",
            "you (check the ids; else report it, then replay)"
        ),
    ]

    // MARK: Ours

    private static let ours = [
        Row(
            ["sealing_failed"],
            "A sealed secret could not be opened, or sealed: its row was altered, or its key was.",
            "you (compare the key with your copy; else replay with a new --code or --pin in its place)"
        ),
        Row(
            ["sealing_key_missing"],
            "A sealed secret needs a key that no worker which met it had.",
            "you (give every worker the same EMBARK_SEALING_KEYS, the old keys included, then replay)",
            remedies: ["embark key list"],
            then: "waits for a worker that has the key, 10 s to 5 min at a time, until the step's time is over"
        ),
        Row(
            ["too_many_calls", "unreadable_row", "interrupted"],
            "Embark did not know how to go on: a newer version's signup, or a bug.",
            "you (see that all workers run the same version; report it)",
            remedies: ["embark top --once"]
        ),
    ]
}
