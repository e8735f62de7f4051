/// One call of Meta's Graph API as data: what is sent, not how.
public struct GraphRequest: Sendable, Equatable {
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"
    }

    public enum Body: Sendable, Equatable {
        case empty
        /// Sent as application/json, members in this order.
        case json([Field])
        /// Sent as application/x-www-form-urlencoded.
        case form([Field])
    }

    /// A name and its value. A value that is a `Secret` never enters a log.
    public struct Field: Sendable, Equatable {
        public enum Value: Sendable, Equatable {
            case text(String)
            case secret(Secret)
            /// An object inside a JSON body.
            case object([Field])
        }

        public let name: String
        public let value: Value

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = .text(value)
        }

        public init(_ name: String, _ value: Secret) {
            self.name = name
            self.value = .secret(value)
        }

        public init(_ name: String, _ fields: [Field]) {
            self.name = name
            self.value = .object(fields)
        }
    }

    /// Whose token the call carries as Bearer.
    public enum Token: Sendable, Equatable {
        /// The exchange: its parameters authenticate it.
        case none
        /// The customer's business token.
        case business
        /// Our system user's.
        case system
        /// `APP_ID|APP_SECRET`
        case app
    }

    /// What has to be on record before the call may leave.
    public enum Precondition: Sendable, Equatable {
        case none
        /// The job's sent mark: the call must not be repeated blindly.
        case sentMark
        /// The account's row in embark.credit_shares, besides the sent mark.
        /// Shares and attachments count apart: each is sent twice at most.
        case creditShare(wabaID: String, attaches: Bool = false)
        /// A row in embark.register_calls, within the number's quota.
        case registerCall(phoneNumberID: String)
        /// The code is erased: from here on it is never sent again, and a token is only recovered.
        case codeErased
    }

    /// The endpoint's name: in metrics, in the simulator's faults and in its ledger. It holds no id.
    public let endpoint: Endpoint
    public let method: Method
    /// Behind the version, without a slash in front. It holds ids and fixed words alone.
    public let path: String
    public let query: [Field]
    public let body: Body
    public let token: Token
    public let precondition: Precondition

    public init(
        _ endpoint: Endpoint,
        _ method: Method,
        path: String,
        query: [Field] = [],
        body: Body = .empty,
        token: Token,
        precondition: Precondition = .none
    ) {
        self.endpoint = endpoint
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.token = token
        self.precondition = precondition
    }
}

extension GraphRequest {
    /// What Graph says of a token: whose it is, what it may, until when (Meta, "debug_token").
    package static func inspection(of token: Secret) -> GraphRequest {
        GraphRequest(.debugToken, .get, path: "debug_token", query: [.init("input_token", token)], token: .app)
    }
}

/// The endpoints that Embark calls. The raw value is a metric's label.
public enum Endpoint: String, Sendable, CaseIterable {
    case exchangeCode = "exchange_code"
    case recoverToken = "recover_token"
    case debugToken = "debug_token"
    case phoneNumbers = "phone_numbers"
    case subscribeApp = "subscribe_app"
    case readSubscriptions = "read_subscriptions"
    case assignSystemUser = "assign_system_user"
    case readAssignedUsers = "read_assigned_users"
    case readAccount = "read_account"
    case listAllocations = "list_allocations"
    case readAllocation = "read_allocation"
    case shareCreditLine = "share_credit_line"
    case shareAllocation = "share_allocation"
    case attachAllocation = "attach_allocation"
    case readPhone = "read_phone"
    case registerPhone = "register_phone"
    case deregisterPhone = "deregister_phone"
    case syncAppData = "sync_app_data"
    case sendTestMessage = "send_test_message"
}
