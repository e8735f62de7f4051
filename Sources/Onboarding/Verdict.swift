/// What the outcome of a step means. A closed set: how a job goes on is a matter of `Transition` alone.
public enum Verdict: Sendable, Equatable {
    /// The step is done; what was learnt is kept.
    case done(Facts)
    /// The same step again later: the fault passes by itself. `atMost`: executions that may end this way before an operator
    /// is asked; nil for as many as the step's policy allows. `afterSeconds`: not before; nil for the step's backoff.
    case retry(Problem, atMost: Int? = nil, afterSeconds: Int? = nil)
    /// The same step again after so many seconds and some jitter, because something else has to end first. Nothing was
    /// tried, so no execution is charged.
    case wait(Problem, seconds: Int)
    /// The step cannot go on before somebody has done something.
    case fail(Problem, waitingOn: Party)
    /// The call may have had its effect, and nothing can tell.
    case uncertain(Problem)

    public init(done facts: Facts = Facts()) { self = .done(facts) }
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
