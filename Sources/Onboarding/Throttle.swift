/// Throttle: a part of Graph that every process leaves alone for a while, because a limit was hit or our credentials were
/// refused.

/// What rests. Its name is the key in embark.throttles.
public enum Scope: Sendable, Hashable {
    /// Everything.
    case app
    /// What our system user's token is for: access, credit, recovery. Exchanges go on, and their tokens wait sealed.
    case system
    /// The credit line's calls, whose limit is the app's and not an account's.
    case credit
    /// One account.
    case waba(String)
    /// One number.
    case phone(String)

    public var name: String {
        switch self {
        case .app: "app"
        case .system: "system"
        case .credit: "credit"
        case .waba(let id): "waba:\(id)"
        case .phone(let id): "phone:\(id)"
        }
    }

    /// The name without an id: a metric's label.
    public var kind: String {
        switch self {
        case .app: "app"
        case .system: "system"
        case .credit: "credit"
        case .waba: "waba"
        case .phone: "phone"
        }
    }

    /// nil for a name that no version of Embark writes.
    public init?(name: String) {
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("app", 1): self = .app
        case ("system", 1): self = .system
        case ("credit", 1): self = .credit
        case ("waba", 2) where Installation.isGraphID(parts[1]): self = .waba(parts[1])
        case ("phone", 2) where Installation.isGraphID(parts[1]): self = .phone(parts[1])
        default: return nil
        }
    }

    /// The steps that cannot go on while it rests, so that no worker touches their rows; one account's or number's rows are
    /// put off when they are met.
    public var steps: [Step] {
        switch self {
        case .app: Step.allCases
        case .system: [.assignSystemUser, .shareCreditLine]
        case .credit: [.shareCreditLine]
        case .waba, .phone: []
        }
    }
}

public struct Throttle: Sendable, Equatable {
    public let scope: Scope
    /// From 1 to 259,200 (72 h).
    public let seconds: Double
    /// Whether Graph named the time. Where it did not, a second pause right behind the first is twice as long.
    public let isNamed: Bool
    /// Why, in an error's code: Graph's, `usage` for a header without one.
    public let code: String
    public let message: String
    /// Our own credentials were refused: somebody has to renew them.
    public let isCredentials: Bool

    public static let secondsRange = 1.0...(72 * 3600)
    /// How long what our credentials are for rests: then one call tries them again, which costs nothing.
    public static let credentialsSeconds = 300.0

    public init(
        _ scope: Scope,
        seconds: Double,
        isNamed: Bool,
        code: String,
        message: String,
        isCredentials: Bool = false
    ) {
        self.scope = scope
        self.seconds = min(max(seconds, Self.secondsRange.lowerBound), Self.secondsRange.upperBound)
        self.isNamed = isNamed
        self.code = code
        self.message = message
        self.isCredentials = isCredentials
    }

    /// What an answer demands to be left alone. It is known as soon as the answer is there, and told to every process before
    /// the step goes on.
    public static func demanded(
        by response: GraphResponse,
        to request: GraphRequest,
        at step: Step,
        of signup: Signup
    ) -> Throttle? {
        guard case .error(let error) = response.content else { return named(by: response, request, signup) }
        let problem = Problem(error, status: response.status)
        if let ours = credentials(error, response.status, request.token, step) {
            return Throttle(
                ours,
                seconds: credentialsSeconds,
                isNamed: false,
                code: problem.code,
                message: problem.message,
                isCredentials: true
            )
        }
        guard let limit = ErrorTable.row(for: error, at: step)?.limit else {
            return named(by: response, request, signup)
        }
        let scope: Scope? =
            switch limit.of {
            case .app: .app
            case .token: request.token == .system ? .system : request.own(signup) ?? .app
            case .own: request.own(signup) ?? .app
            case .waba: signup.wabaID.map { .waba($0) } ?? request.own(signup)
            case .phone: signup.phoneNumberID.map { .phone($0) } ?? request.own(signup)
            }
        guard let scope else { return nil }
        let named = namedSeconds(error, response.usage, signup)
        return Throttle(
            scope,
            seconds: named ?? limit.seconds,
            isNamed: named != nil,
            code: problem.code,
            message: problem.message
        )
    }

    /// A time to regain access is a limit that was hit, whatever else the answer says; so is Retry-After on a page that says so
    /// with its status.
    private static func named(by response: GraphResponse, _ request: GraphRequest, _ signup: Signup) -> Throttle? {
        let isBusy = response.status == 429 || response.status == 503
        let seconds =
            response.usage.regainSeconds(of: signup.wabaID) ?? (isBusy ? response.usage.retryAfterSeconds : nil)
        guard let seconds, let scope = request.own(signup) else { return nil }
        return Throttle(
            scope,
            seconds: seconds,
            isNamed: true,
            code: "usage",
            message: "a header of Graph's names a time to regain access"
        )
    }

    /// For how long a limit that was hit holds, as Graph says it; nil where it does not.
    static func namedSeconds(_ error: GraphError, _ usage: Usage, _ signup: Signup) -> Double? {
        usage.regainSeconds(of: signup.wabaID) ?? usage.retryAfterSeconds
            ?? error.details.flatMap { WaitingTime.seconds(in: $0) }
    }

    /// The scope that our own credentials are for, when this error refuses them.
    static func credentials(
        _ error: GraphError,
        _ status: Int,
        _ token: GraphRequest.Token,
        _ step: Step
    ) -> Scope? {
        if error.refusesAppSecret(status: status) { return .app }
        guard ErrorTable.row(for: error, at: step)?.reaction == .token else { return nil }
        switch token {
        case .system: return .system
        case .app: return .app
        case .business, .none: return nil
        }
    }
}

extension GraphError {
    /// Whether it says that what our app shows of itself is wrong: its id, its secret, or the token made of both.
    ///
    /// - Parameter status: of the answer that it came with; one of 500 and above says nothing of credentials.
    public func refusesOurApp(status: Int) -> Bool {
        guard status < 500 else { return false }
        // 104: signed for another app.
        return namesUnknownApp || code == 104 || refusesAppSecret(status: status)
            || ErrorTable.row(for: self, at: .verifyGrant)?.reaction == .token
    }

    /// The app's id is no app's.
    public var namesUnknownApp: Bool { code == 101 }

    /// The one code 1 that says what is wrong, and the proof that was made with another secret.
    func refusesAppSecret(status: Int) -> Bool {
        (code == 1 && status == 400 && message.hasPrefix("Error validating client secret"))
            || (code == 100 && message.contains("Invalid appsecret_proof"))
    }
}

extension GraphRequest {
    /// What the call counts against besides the app: the credit line for its own calls, else the account.
    func own(_ signup: Signup) -> Scope? {
        if endpoint.isCredit { return .credit }
        return endpoint.isOfAccount ? signup.wabaID.map { .waba($0) } : nil
    }

    /// Everything that has to be awake for the call to leave.
    public func scopes(_ signup: Signup) -> [Scope] {
        var scopes = [Scope.app]
        if token == .system { scopes.append(.system) }
        if endpoint.isCredit { scopes.append(.credit) }
        if endpoint.isOfAccount, let id = signup.wabaID { scopes.append(.waba(id)) }
        if endpoint.isOfPhone, let id = signup.phoneNumberID { scopes.append(.phone(id)) }
        return scopes
    }
}

extension Endpoint {
    /// The calls that share the credit line's limit of 5,000 an hour (Meta, "Graph API rate limiting").
    var isCredit: Bool {
        switch self {
        case .listAllocations, .readAllocation, .shareCreditLine, .shareAllocation, .attachAllocation: true
        case .exchangeCode, .recoverToken, .debugToken, .phoneNumbers, .subscribeApp, .readSubscriptions,
            .assignSystemUser, .readAssignedUsers, .readAccount, .readPhone, .registerPhone, .deregisterPhone,
            .syncAppData, .sendTestMessage:
            false
        }
    }

    /// Codes and tokens are not of one account yet.
    var isOfAccount: Bool {
        switch self {
        case .exchangeCode, .recoverToken, .debugToken: false
        case .phoneNumbers, .subscribeApp, .readSubscriptions, .assignSystemUser, .readAssignedUsers, .readAccount,
            .listAllocations, .readAllocation, .shareCreditLine, .shareAllocation, .attachAllocation, .readPhone,
            .registerPhone, .deregisterPhone, .syncAppData, .sendTestMessage:
            true
        }
    }

    var isOfPhone: Bool {
        switch self {
        case .readPhone, .registerPhone, .deregisterPhone, .syncAppData, .sendTestMessage: true
        case .exchangeCode, .recoverToken, .debugToken, .phoneNumbers, .subscribeApp, .readSubscriptions,
            .assignSystemUser, .readAssignedUsers, .readAccount, .listAllocations, .readAllocation, .shareCreditLine,
            .shareAllocation, .attachAllocation:
            false
        }
    }
}

/// A limit of Meta's behind an error code.
struct Limit: Sendable, Equatable {
    /// Whose limit it is.
    enum Of: Sendable { case app, token, own, waba, phone }

    let of: Of
    /// How long it is left alone when Graph names no time.
    let seconds: Double

    init(_ of: Of, seconds: Double) {
        self.of = of
        self.seconds = seconds
    }
}

/// The time in words like "try again after 15 minutes": where 133008 and 133009 say how long a number rests.
enum WaitingTime {
    /// nil for a text that names none.
    static func seconds(in text: String) -> Double? {
        let words = text.lowercased().split { !$0.isASCII || !($0.isLetter || $0.isNumber) }
        for (number, unit) in zip(words, words.dropFirst()) {
            // Nine digits are more than any wait, and never too many for an Int.
            guard number.count <= 9, let count = Int(number), let seconds = unitSeconds(unit) else { continue }
            return Double(count) * seconds
        }
        return nil
    }

    private static func unitSeconds(_ unit: Substring) -> Double? {
        switch unit {
        case "s", "sec", "second", "seconds": 1
        case "min", "minute", "minutes": 60
        case "h", "hour", "hours": 3600
        case "day", "days": 86_400
        default: nil
        }
    }
}
