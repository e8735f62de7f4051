/// The simulated platform: what has been granted, subscribed, shared, registered and sent, and how it answers a call.
///
/// Pure state: the time comes with each call, so that tests can let 30 seconds or 72 hours pass at once. Facts are from
/// Meta's pages on Embedded Signup, credit lines, registration and error codes.
struct SimulatedGraph: Sendable {
    /// The names by which faults and the ledger know the endpoints.
    static let endpoints = [
        "exchange_code", "debug_token", "recover_token", "phone_numbers", "subscribe_app", "assign_system_user",
        "read_account", "list_credit_lines", "list_allocations", "revoke_allocation", "share_allocation",
        "attach_allocation", "read_allocation", "share_credit_line", "read_phone", "register_phone",
        "deregister_phone", "set_pin", "sync_app_data", "send_test_message", "unknown",
    ]
    /// A code lives this long (Meta, "Embedded Signup: Implementation").
    static let codeSeconds = 30.0
    /// Register and deregister calls of a number in a moving 72 hours.
    static let registerCallsMax = 10
    static let registerWindowSeconds = 72.0 * 3600

    struct Assets: Sendable, Equatable {
        let wabaID: String
        let phoneNumberID: String
        let businessID: String
        /// Of the token, in seconds since 1970; 0 for none, as Graph has it.
        var tokenEnd = 0
    }

    struct Code: Sendable {
        let assets: Assets
        /// nil for a self-describing one, which nobody minted.
        let mintedAt: Double?
        /// Of the redirect dialog; nil for a code of the popup.
        var redirectURI: String?
        var isSpent = false
    }

    struct Grant: Sendable {
        let assets: Assets
        /// Empty for a token that was fetched and not inspected yet.
        var appID: String
    }

    struct Allocation: Sendable {
        let id: String
        let lineID: String
        let wabaID: String
        let businessID: String
        let credential: String
        var isRevoked = false
    }

    struct Phone: Sendable {
        var isConnected = false
        var pin: String?
        var calls: [Double] = []
        var blockedUntil = 0.0
        var synced: Set<String> = []
    }

    struct Subscription: Sendable {
        var appIDs: Set<String> = []
        var overrideURI: String?
    }

    private(set) var codes: [String: Code] = [:]
    private(set) var grants: [String: Grant] = [:]
    private(set) var phonesOf: [String: [String]] = [:]
    private(set) var businessOf: [String: String] = [:]
    /// By business, as its last code named them.
    private(set) var assetsOf: [String: Assets] = [:]
    /// By account, the token that was given out first.
    private(set) var tokenOf: [String: String] = [:]
    private(set) var accountOf: [String: String] = [:]
    var subscriptions: [String: Subscription] = [:]
    var assigned: [String: Set<String>] = [:]
    var allocations: [String: Allocation] = [:]
    /// By business.
    var allocationsOf: [String: [String]] = [:]
    var fundedBy: [String: String] = [:]
    var phones: [String: Phone] = [:]
    /// When calls about an account were made, in the last hour.
    var calls: [String: [Double]] = [:]
    var messages: [(id: String, phoneNumberID: String, to: String)] = []
    private var lastNumber = 0

    /// An effect in the world, for the ledger.
    struct Effect: Sendable {
        let name: String
        let ids: [(String, Value)]
    }

    enum Caller: Sendable {
        case business(Grant)
        case system
        case app(String)
        case nobody

        /// As the ledger has it.
        var name: String {
            switch self {
            case .business: "business"
            case .system: "system"
            case .app: "app"
            case .nobody: "nobody"
            }
        }
    }

    // MARK: What the tests and the demonstration set up

    /// A code for these assets, dead after 30 seconds.
    mutating func mint(_ assets: Assets, redirectURI: String? = nil, now: Double) -> String {
        let code = "AQ" + "SIM" + String(number(), radix: 36) + "x" + String(Int(now * 1000), radix: 36)
        learn(assets)
        codes[code] = Code(assets: assets, mintedAt: now, redirectURI: redirectURI)
        return code
    }

    mutating func learn(_ assets: Assets) {
        businessOf[assets.wabaID] = assets.businessID
        assetsOf[assets.businessID] = assets
        accountOf[assets.phoneNumberID] = assets.wabaID
        if phonesOf[assets.wabaID]?.contains(assets.phoneNumberID) != true {
            phonesOf[assets.wabaID, default: []].append(assets.phoneNumberID)
        }
        if phones[assets.phoneNumberID] == nil { phones[assets.phoneNumberID] = Phone() }
    }

    /// A number that already has a two-step PIN, which only the customer knows.
    mutating func setPIN(_ pin: String, of phoneNumberID: String) {
        phones[phoneNumberID, default: Phone()].pin = pin
    }

    // MARK: A call

    func caller(of call: GraphCall) -> Caller {
        guard let token = call.token else { return .nobody }
        if let grant = grants[token] { return .business(grant) }
        if let bar = token.firstIndex(of: "|") { return .app(String(token[..<bar])) }
        return token.hasPrefix("EAA") ? .system : .nobody
    }

    /// The endpoint's name, from the method and the path alone.
    func endpoint(of call: GraphCall) -> String {
        switch (call.method, call.path.count, call.path.last ?? "") {
        case (_, 2, "access_token") where call.path[0] == "oauth": return "exchange_code"
        case (.get, 1, "debug_token"): return "debug_token"
        case (.get, 2, "phone_numbers"): return "phone_numbers"
        case (_, 2, "subscribed_apps"): return "subscribe_app"
        case (_, 2, "assigned_users"): return "assign_system_user"
        case (.post, 2, "whatsapp_credit_sharing_and_attach"): return "share_credit_line"
        case (.post, 2, "whatsapp_credit_sharing"): return "share_allocation"
        case (.post, 2, "whatsapp_credit_attach"): return "attach_allocation"
        case (.get, 2, "extendedcredits"): return "list_credit_lines"
        case (.delete, 1, let id) where allocations[id] != nil: return "revoke_allocation"
        case (.get, 2, "owning_credit_allocation_configs"): return "list_allocations"
        case (.post, 2, "register"): return "register_phone"
        case (.post, 2, "deregister"): return "deregister_phone"
        case (.post, 2, "messages"): return "send_test_message"
        case (.post, 2, "smb_app_data"): return "sync_app_data"
        case (.post, 2, "system_user_access_tokens"): return "recover_token"
        case (.post, 1, let id) where phones[id] != nil: return "set_pin"
        case (.get, 1, let id):
            if phones[id] != nil { return "read_phone" }
            if allocations[id] != nil { return "read_allocation" }
            return businessOf[id] != nil ? "read_account" : "unknown"
        default: return "unknown"
        }
    }

    /// The account that a call is about, by whatever it names; nil when it names none that is known.
    func account(of call: GraphCall, endpoint: String) -> String? {
        func account(ofBusiness id: String?) -> String? { id.flatMap { assetsOf[$0]?.wabaID } }
        let id = call.path.first ?? ""
        switch endpoint {
        case "exchange_code":
            let text = call.parameters["code"] ?? ""
            return codes[text]?.assets.wabaID ?? SelfDescribingCode(text)?.wabaID
        case "debug_token": return grants[call.parameters["input_token"] ?? ""]?.assets.wabaID
        case "recover_token": return account(ofBusiness: id)
        case "share_credit_line", "attach_allocation": return call.parameters["waba_id"]
        case "share_allocation", "list_allocations":
            return account(ofBusiness: call.parameters["receiving_business_id"])
        case "read_allocation":
            return allocations[id].flatMap { $0.wabaID.isEmpty ? account(ofBusiness: $0.businessID) : $0.wabaID }
        default: return businessOf[id] == nil ? accountOf[id] : id
        }
    }

    mutating func answer(_ call: GraphCall, endpoint: String, now: Double) -> (GraphReply, [Effect]) {
        let caller = caller(of: call)
        if endpoint == "exchange_code" { return exchange(call, now: now) }
        if case .nobody = caller {
            return (.error(190, "Invalid OAuth access token - Cannot parse access token", status: 401), [])
        }
        let id = call.path.first ?? ""
        switch endpoint {
        case "debug_token": return (debugToken(call, caller), [])
        case "recover_token": return recover(call, businessID: id, caller)
        case "phone_numbers": return (guarded(id, caller) ?? listPhones(id, call), [])
        case "subscribe_app": return subscribe(id, call, caller)
        case "assign_system_user": return assign(id, call, caller)
        case "read_account": return (guarded(id, caller) ?? readAccount(id, call), [])
        case "list_allocations": return (listAllocations(call, lineID: id, caller), [])
        case "read_allocation": return (readAllocation(id, caller), [])
        case "share_credit_line": return share(call, lineID: id, caller)
        case "share_allocation": return shareAllocation(call, lineID: id, caller)
        case "attach_allocation": return attachAllocation(call, lineID: id, caller)
        case "revoke_allocation": return revokeAllocation(id, caller)
        case "list_credit_lines": return (listCreditLines(id, caller), [])
        case "read_phone": return (guarded(id, caller) ?? readPhone(id), [])
        case "register_phone": return register(id, call, caller, now: now)
        case "deregister_phone": return deregister(id, caller, now: now)
        case "set_pin": return changePIN(id, call, caller)
        case "sync_app_data": return sync(id, call, caller)
        case "send_test_message": return send(id, call, caller)
        default: return (Self.missing(id), [])
        }
    }

    // MARK: Shared

    mutating func number() -> Int {
        lastNumber += 1
        return lastNumber
    }

    /// Graph's words for what does not exist and for what the token may not see, which it does not tell apart.
    static func missing(_ id: String) -> GraphReply {
        .error(
            100,
            "Unsupported request. Object with ID '\(id)' does not exist, cannot be loaded due to missing permissions, or "
                + "does not support this operation.",
            subcode: 33,
            type: "GraphMethodException"
        )
    }

    /// A business token sees its own account and numbers; a system user's sees all.
    func guarded(_ id: String, _ caller: Caller) -> GraphReply? {
        switch caller {
        case .system: return nil
        case .business(let grant):
            let isOwn = id == grant.assets.wabaID || phonesOf[grant.assets.wabaID]?.contains(id) == true
            return isOwn ? nil : Self.missing(id)
        case .app, .nobody: return Self.missing(id)
        }
    }

    /// A code that came: whatever becomes of it, its business is known from now on.
    mutating func see(_ code: String) {
        guard let known = codes[code] ?? Self.selfDescribing(code) else { return }
        learn(known.assets)
        if codes[code] == nil { codes[code] = known }
    }

    mutating func adopt(_ token: String, appID: String) {
        if grants[token]?.appID.isEmpty == true { grants[token]?.appID = appID }
    }

    mutating func spend(_ code: String, _ known: Code) {
        codes[code] = known
        codes[code]?.isSpent = true
    }

    mutating func grant(_ assets: Assets, appID: String) -> String {
        let token = "EAAB" + String(number(), radix: 36) + "SimulatedBusinessToken" + assets.wabaID
        grants[token] = Grant(assets: assets, appID: appID)
        if tokenOf[assets.wabaID] == nil { tokenOf[assets.wabaID] = token }
        return token
    }
}
