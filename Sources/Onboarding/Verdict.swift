/// What the outcome of a step means. A closed set: how a job goes on is a matter of `Transition` alone.
public enum Verdict: Sendable, Equatable {
    /// The step is done; what was learnt is kept.
    case done(Facts)
    /// The same step again later: the fault passes by itself.
    case retry(Problem, Patience = .policy)
    /// The same step again after so many seconds and some jitter, because something else has to end first. Nothing was
    /// tried, so no execution is charged.
    case wait(Problem, seconds: Int)
    /// A limit of Meta's, or our own credentials, hold up the call: the same step again after so many seconds and some
    /// jitter. No execution is charged, and the step's horizon moves on by as much.
    case throttle(Problem, seconds: Double)
    /// The step cannot go on before somebody has done something.
    case fail(Problem, waitingOn: Party)
    /// The call may have had its effect, and nothing can tell.
    case uncertain(Problem)

    public init(done facts: Facts = Facts()) { self = .done(facts) }
}

/// How often and after how long a fault that passes is tried again, where that is not the step's own policy.
public struct Patience: Sendable, Equatable {
    /// Executions that may end this way before somebody is asked; nil for as many as the policy allows.
    public var atMost: Int?
    /// Seconds to which the jitter is added, by execution; the last holds for all behind it.
    public var floorSeconds: [Double] = []
    /// The backoff's first and greatest span, in seconds; nil for the policy's.
    public var curve: Curve?
    /// A token that is recovered needs no code, so its horizon is none and its limits are its own.
    public var isRecovery = false

    public struct Curve: Sendable, Equatable {
        public let base: Double
        public let cap: Double
    }

    /// As the step's policy has it.
    public static let policy = Patience()
    public static func atMost(_ count: Int) -> Patience { Patience(atMost: count) }
    public static func after(_ seconds: Double) -> Patience { Patience(floorSeconds: [seconds]) }
    /// What takes minutes to hours: an account in maintenance, a pair of numbers that has talked too much.
    public static let slow = Patience(curve: Curve(base: 60, cap: 900))
    /// Access that was granted a moment ago is not visible everywhere at once: 5, 15 and 35 seconds later it is, or never.
    public static let propagation = Patience(atMost: 3, floorSeconds: [5, 15, 35], curve: Curve(base: 1, cap: 1))
    /// A number that was deleted can be registered 5 minutes later (Meta, "WhatsApp error codes", 133015).
    public static let deletedNumber = Patience(floorSeconds: [300], curve: Curve(base: 300, cap: 300))
    public static let recovery = Patience(atMost: 11, curve: Curve(base: 1, cap: 300), isRecovery: true)
}

/// Whose move it is.
public enum Party: String, Sendable, CaseIterable {
    case customer
    case `operator`
}

/// What a step found out, besides that it is done. What is nil was not found out.
public struct Facts: Sendable, Equatable {
    public var businessToken: Secret?
    /// Seconds from now until the token ends; nil for one without an end.
    public var tokenLifetimeSeconds: Int?
    public var wabaID: String?
    public var phoneNumberID: String?
    public var allocationConfigID: String?
    public var testMessageID: String?
    public var testMessageWAID: String?

    public init(
        businessToken: Secret? = nil,
        tokenLifetimeSeconds: Int? = nil,
        wabaID: String? = nil,
        phoneNumberID: String? = nil,
        allocationConfigID: String? = nil,
        testMessageID: String? = nil,
        testMessageWAID: String? = nil
    ) {
        self.businessToken = businessToken
        self.tokenLifetimeSeconds = tokenLifetimeSeconds
        self.wabaID = wabaID
        self.phoneNumberID = phoneNumberID
        self.allocationConfigID = allocationConfigID
        self.testMessageID = testMessageID
        self.testMessageWAID = testMessageWAID
    }
}

/// What went wrong, in Graph's code or in a word of ours. Safe to store and to show.
public struct Problem: Sendable, Equatable {
    /// Graph's code with its subcode (`100/36007`), or a word: `timeout`, `effect_uncertain`, `code_expired`.
    public let code: String
    public let message: String
    public let httpStatus: Int?
    public let fbtraceID: String?

    public init(code: String, message: String, httpStatus: Int? = nil, fbtraceID: String? = nil) {
        self.code = code
        self.message = message
        self.httpStatus = httpStatus
        self.fbtraceID = fbtraceID
    }
}
