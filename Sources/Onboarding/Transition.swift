/// From a verdict to what is written: the attempt, and how the signup goes on.
public struct Transition: Sendable, Equatable {
    /// The attempt's verdict, as the history has it.
    public enum Recorded: String, Sendable, CaseIterable { case done, retry, throttle, fail, uncertain, stale }

    public enum Next: Sendable, Equatable {
        /// The following step, now.
        case step(Step)
        /// The same step after a while; its horizon moves on by `pausedSeconds`.
        case again(seconds: Double, pausedSeconds: Double = 0)
        case completed
        case failed(Problem, waitingOn: Party)
    }

    public let recorded: Recorded
    public let problem: Problem?
    public let facts: Facts
    public let next: Next
    /// Whether this execution counts against the step's limit.
    public let counts: Bool
    /// Added to the signup's warnings.
    public let warning: String?

    /// What a job needs to know of itself here.
    public struct Job: Sendable, Equatable {
        public var step: Step
        /// Executions that count, this one included, from 1.
        public var attempt: Int32
        /// Until the step's horizon; nil for none. The exchange's is the end of its code.
        public var secondsUntilGiveUp: Double?
        /// Whether the exchange's token can be had without its code.
        public var canRecover: Bool

        public init(step: Step, attempt: Int32, secondsUntilGiveUp: Double? = nil, canRecover: Bool = false) {
            self.step = step
            self.attempt = attempt
            self.secondsUntilGiveUp = secondsUntilGiveUp
            self.canRecover = canRecover
        }
    }

    /// - Parameter jitter: 0 to 1, drawn evenly by the caller.
    public init(_ job: Job, plan: Plan, verdict: Verdict, jitter: Double) {
        switch verdict {
        case .done(let facts):
            self.init(.done, nil, facts, Self.behind(job.step, plan))
        case .retry(let problem, let patience):
            self = Self.retry(job, plan, problem, patience, jitter: jitter)
        case .wait(let problem, let seconds):
            self = Self.wait(job, plan, problem, seconds: seconds, jitter: jitter)
        case .throttle(let problem, let seconds):
            self = Self.throttle(job, problem, seconds: seconds, jitter: jitter)
        case .fail(let problem, let party):
            self = Self.ended(.fail, job, plan, problem, party)
        case .uncertain(let problem):
            self = Self.ended(.uncertain, job, plan, problem, .operator)
        }
    }

    private init(
        _ recorded: Recorded,
        _ problem: Problem?,
        _ facts: Facts,
        _ next: Next,
        counts: Bool = true,
        warning: String? = nil
    ) {
        self.recorded = recorded
        self.counts = counts
        self.problem = problem
        self.facts = facts
        self.next = next
        self.warning = warning
    }

    private static func behind(_ step: Step, _ plan: Plan) -> Next {
        plan.next(after: step).map { .step($0) } ?? .completed
    }

    private static func retry(
        _ job: Job,
        _ plan: Plan,
        _ problem: Problem,
        _ patience: Patience,
        jitter: Double
    ) -> Transition {
        let policy = job.step.policy
        let more = patience.atMost.map { Int32(clamping: $0 + 1) }
        let limit = patience.isRecovery ? more ?? policy.executionsMax : min(policy.executionsMax, more ?? .max)
        let floors = patience.floorSeconds
        let floor = floors.isEmpty ? 0 : floors[min(max(Int(job.attempt) - 1, 0), floors.count - 1)]
        let delay =
            floor
            + Backoff.seconds(
                base: patience.curve?.base ?? policy.baseSeconds,
                cap: patience.curve?.cap ?? policy.capSeconds,
                execution: job.attempt,
                jitter: jitter
            )
        let isInTime = patience.isRecovery || job.secondsUntilGiveUp.map { delay < $0 } ?? true
        guard job.attempt < limit, isInTime else {
            let rest = max(0, job.secondsUntilGiveUp ?? 0)
            // Behind the code's end as often as a recovery: what never is one must end, too.
            let mayWait = rest > 0 || job.attempt <= recoveryExecutions
            if job.step == .exchangeCode, !patience.isRecovery, job.canRecover, mayWait {
                // A code that died unsent: as soon as nobody can send it any more, its token is fetched without it.
                return Transition(.retry, problem, Facts(), .again(seconds: rest + recoveryMarginSeconds))
            }
            return exhausted(job, plan, problem, isRecovery: patience.isRecovery)
        }
        return Transition(.retry, problem, Facts(), .again(seconds: delay))
    }

    private static let recoveryExecutions = Int32(Patience.recovery.atMost ?? 0)

    /// Behind the code's end, so that the next execution finds it dead.
    private static let recoveryMarginSeconds = 0.1

    /// Half as long again at most, and never by more than this, so that those who wait for the same end do not come back
    /// together, and none of them much later.
    private static let pauseJitterSecondsMax = 30.0

    private static func throttle(_ job: Job, _ problem: Problem, seconds: Double, jitter: Double) -> Transition {
        let delay = seconds + min(seconds / 2, pauseJitterSecondsMax) * min(max(jitter, 0), 1)
        // A code dies when it dies: what comes of it then is recovery's or the housekeeping's business.
        let paused = job.step == .exchangeCode ? 0 : delay
        return Transition(
            .throttle,
            problem,
            Facts(),
            .again(seconds: delay, pausedSeconds: paused),
            counts: false
        )
    }

    private static func wait(_ job: Job, _ plan: Plan, _ problem: Problem, seconds: Int, jitter: Double) -> Transition {
        // Half as long again at most, so that those who wait for the same thing do not come back together.
        let delay = Double(seconds) * (1 + min(max(jitter, 0), 1) / 2)
        let isInTime = job.secondsUntilGiveUp.map { delay < $0 } ?? true
        guard isInTime else { return exhausted(job, plan, problem) }
        return Transition(.retry, problem, Facts(), .again(seconds: delay), counts: false)
    }

    /// Patience is at an end: a code that could not be sent in time is the customer's move, all else the operator's.
    private static func exhausted(
        _ job: Job,
        _ plan: Plan,
        _ problem: Problem,
        isRecovery: Bool = false
    ) -> Transition {
        switch job.step {
        case .exchangeCode:
            let expired = Problem(
                code: isRecovery ? "code_spent" : "code_expired",
                message: (isRecovery
                    ? "the code is gone and its token could not be recovered: "
                    : "the code died before it could be exchanged: ") + problem.message,
                httpStatus: problem.httpStatus,
                fbtraceID: problem.fbtraceID
            )
            return ended(.fail, job, plan, expired, .customer)
        case .verifyGrant, .subscribeApp, .assignSystemUser, .shareCreditLine, .registerPhone, .syncContacts,
            .syncHistory, .sendTestMessage:
            return ended(.fail, job, plan, problem, .operator)
        }
    }

    /// The test message is a check and no part of the onboarding: without it the signup is complete, with a warning.
    private static func ended(
        _ recorded: Recorded,
        _ job: Job,
        _ plan: Plan,
        _ problem: Problem,
        _ party: Party
    ) -> Transition {
        switch job.step {
        case .sendTestMessage:
            return Transition(
                recorded,
                problem,
                Facts(),
                behind(job.step, plan),
                warning: recorded == .uncertain ? "test_message_uncertain" : "test_message_failed"
            )
        case .exchangeCode, .verifyGrant, .subscribeApp, .assignSystemUser, .shareCreditLine, .registerPhone,
            .syncContacts, .syncHistory:
            return Transition(
                recorded,
                problem,
                Facts(),
                .failed(recorded == .uncertain ? problem.asUncertain : problem, waitingOn: party)
            )
        }
    }
}

extension Problem {
    /// The signup's error for an effect that nothing can tell; the message keeps what happened.
    var asUncertain: Problem {
        Problem(code: "effect_uncertain", message: message, httpStatus: httpStatus, fbtraceID: fbtraceID)
    }
}
