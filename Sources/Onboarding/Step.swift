/// A kind of work in an onboarding. The raw value is the public name: in SQL, on the command line and in metrics.
///
/// The cases stand in the order in which a plan can hold them.
public enum Step: String, Sendable, CaseIterable, Comparable {
    /// Exchanges the popup's code, which lives 30 seconds and works once, for the customer's business token.
    case exchangeCode = "exchange_code"
    /// Asks Graph what was really granted: what a browser handed in is a claim until then.
    case verifyGrant = "verify_grant"
    /// Subscribes our app to the account's webhooks.
    case subscribeApp = "subscribe_app"
    /// Gives our system user access to the account, which sharing a credit line needs.
    case assignSystemUser = "assign_system_user"
    /// Shares our credit line with the account: money, and not repeatable.
    case shareCreditLine = "share_credit_line"
    /// Registers the number for Cloud API: at most 10 calls a number in 72 hours.
    case registerPhone = "register_phone"
    /// Asks for the contacts of a number that stays in the WhatsApp Business app: once, within 24 hours.
    case syncContacts = "sync_contacts"
    /// Asks for its history: once, within 24 hours.
    case syncHistory = "sync_history"
    /// Sends the test message that the signup asked for, as a check.
    case sendTestMessage = "send_test_message"

    /// In the order of the cases.
    public static func < (left: Step, right: Step) -> Bool {
        left.place < right.place
    }

    private var place: Int {
        switch self {
        case .exchangeCode: 0
        case .verifyGrant: 1
        case .subscribeApp: 2
        case .assignSystemUser: 3
        case .shareCreditLine: 4
        case .registerPhone: 5
        case .syncContacts: 6
        case .syncHistory: 7
        case .sendTestMessage: 8
        }
    }
}
