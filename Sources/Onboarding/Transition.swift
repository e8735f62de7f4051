/// From a verdict to what is written: the attempt, and how the signup goes on.
public struct Transition: Sendable, Equatable {
    /// The attempt's verdict, as the history has it.
    public enum Recorded: String, Sendable, CaseIterable { case done, retry, fail, uncertain, stale }

    public enum Next: Sendable, Equatable {
        /// The following step, now.
        case step(Step)
        /// The same step after a while.
        case again(seconds: Double)
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

        public init(step: Step, attempt: Int32, secondsUntilGiveUp: Double? = nil) {
            self.step = step
            self.attempt = attempt
            self.secondsUntilGiveUp = secondsUntilGiveUp
        }
    }

    /// - Parameter jitter: 0 to 1, drawn evenly by the caller.
    public init(_ job: Job, plan: Plan, verdict: Verdict, jitter: Double) {
        switch verdict {
        case .done(let facts):
            self.init(.done, nil, facts, Self.behind(job.step, plan))
        case .retry(let problem, let atMost, let afterSeconds):
            self = Self.retry(job, plan, problem, atMost: atMost, afterSeconds: afterSeconds, jitter: jitter)
        case .wait(let problem, let seconds):
            self = Self.wait(job, plan, problem, seconds: seconds, jitter: jitter)
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
        atMost: Int?,
        afterSeconds: Int?,
        jitter: Double
    ) -> Transition {
        let policy = job.step.policy
        let limit = min(policy.executionsMax, atMost.map { Int32($0) + 1 } ?? policy.executionsMax)
        let delay =
            Double(afterSeconds ?? 0)
            + Backoff.seconds(
                base: policy.baseSeconds,
                cap: policy.capSeconds,
                execution: job.attempt,
                jitter: jitter
            )
        let isInTime = job.secondsUntilGiveUp.map { delay < $0 } ?? true
        guard job.attempt < limit, isInTime else {
            return exhausted(job, plan, problem)
        }
        return Transition(.retry, problem, Facts(), .again(seconds: delay))
    }

    private static func wait(_ job: Job, _ plan: Plan, _ problem: Problem, seconds: Int, jitter: Double) -> Transition {
        // Half as long again at most, so that those who wait for the same thing do not come back together.
        let delay = Double(seconds) * (1 + min(max(jitter, 0), 1) / 2)
        let isInTime = job.secondsUntilGiveUp.map { delay < $0 } ?? true
        guard isInTime else { return exhausted(job, plan, problem) }
        return Transition(.retry, problem, Facts(), .again(seconds: delay), counts: false)
    }

    /// Patience is at an end: a code that could not be sent in time is the customer's move, all else the operator's.
    private static func exhausted(_ job: Job, _ plan: Plan, _ problem: Problem) -> Transition {
        switch job.step {
        case .exchangeCode:
            let expired = Problem(
                code: "code_expired",
                message: "the code died before it could be exchanged: \(problem.message)",
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
