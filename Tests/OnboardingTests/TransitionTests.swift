import Onboarding
import Testing

@Suite("A transition")
struct TransitionTests {
    static let problem = Problem(code: "131016", message: "service unavailable", httpStatus: 500)
    let plan: Plan

    init() throws {
        plan = try Fixture.signup().plan
    }

    private func job(_ step: Step, attempt: Int32 = 1, left: Double? = nil) -> Transition.Job {
        Transition.Job(step: step, attempt: attempt, secondsUntilGiveUp: left)
    }

    @Test("leads from each step to the next of the plan and ends behind the last")
    func done() {
        for (index, step) in plan.steps.enumerated() {
            let next = Transition(job(step), plan: plan, verdict: .done(Facts()), jitter: 0.5).next
            #expect(next == (index + 1 < plan.steps.count ? .step(plan.steps[index + 1]) : .completed))
        }
    }

    @Test("waits for something else without a charge, half as long again at most")
    func wait() {
        for (jitter, seconds) in [(0.0, 60.0), (1, 90)] {
            let transition = Transition(
                job(.shareCreditLine, attempt: 6, left: 91),
                plan: plan,
                verdict: .wait(Self.problem, seconds: 60),
                jitter: jitter
            )
            #expect(transition.next == .again(seconds: seconds))
            #expect(transition.recorded == .retry)
            #expect(!transition.counts)
        }
        let late = Transition(
            job(.shareCreditLine, left: 60),
            plan: plan,
            verdict: .wait(Self.problem, seconds: 60),
            jitter: 0
        )
        #expect(late.next == .failed(Self.problem, waitingOn: .operator))
    }

    /// What a job without its key waits: it doubles, and ends with the step's time.
    @Test("waits as long again as it has waited, within bounds, and ends at the horizon")
    func asLongAgain() {
        let horizon = Step.verifyGrant.policy.horizonSeconds
        var left = horizon
        var waits: [Double] = []
        while true {
            let seconds = Backoff.asLongAgain(horizon: horizon, left: left, within: 10...300)
            let verdict = Verdict.wait(Self.problem, seconds: seconds)
            let transition = Transition(job(.verifyGrant, left: left), plan: plan, verdict: verdict, jitter: 0)
            guard case .again(let delay, pausedSeconds: 0) = transition.next, waits.count < 50 else {
                #expect(transition.next == .failed(Self.problem, waitingOn: .operator))
                break
            }
            waits.append(delay)
            left -= delay
        }
        #expect(waits.prefix(7) == [10, 10, 20, 40, 80, 160, 300])
        #expect(waits.count < 20 && left <= 300, "\(waits)")
        #expect(Backoff.asLongAgain(horizon: 3600, left: nil, within: 10...300) == 300)
        // A horizon that moved on leaves more than there was.
        #expect(Backoff.asLongAgain(horizon: 3600, left: 4000, within: 10...300) == 10)
        #expect(Backoff.asLongAgain(horizon: 3600, left: -1e12, within: 10...300) == 300)
    }

    @Test(
        "waits with full jitter, doubled each time up to the cap",
        arguments: [
            (Int32(1), 1.0, 1.0), (2, 1, 2), (3, 1, 4), (7, 1, 64), (1, 0, 0), (3, 0.25, 1),
        ]
    )
    func retry(attempt: Int32, jitter: Double, seconds: Double) {
        let transition = Transition(
            job(.subscribeApp, attempt: attempt),
            plan: plan,
            verdict: .retry(Self.problem),
            jitter: jitter
        )
        #expect(transition.next == .again(seconds: seconds))
        #expect(transition.recorded == .retry)
    }

    @Test("never waits longer than the cap, nor less than nothing", arguments: Step.allCases)
    func bounds(step: Step) {
        let policy = step.policy
        for execution in [Int32.min, 0, 1, 2, 31, 63, 1000, Int32.max] {
            for jitter in [-1, 0, 0.5, 1, 7] {
                let seconds = Backoff.seconds(
                    base: policy.baseSeconds,
                    cap: policy.capSeconds,
                    execution: execution,
                    jitter: jitter
                )
                #expect((0...policy.capSeconds).contains(seconds))
            }
        }
    }

    @Test(
        "asks an operator when patience is at an end",
        arguments: [
            (Step.verifyGrant, Int32(8)), (.subscribeApp, 8), (.assignSystemUser, 8), (.shareCreditLine, 6),
            (.registerPhone, 8),
        ]
    )
    func exhausted(step: Step, executions: Int32) {
        let before = Transition(
            job(step, attempt: executions - 1),
            plan: plan,
            verdict: .retry(Self.problem),
            jitter: 0
        )
        #expect(before.next == .again(seconds: 0))
        let last = Transition(job(step, attempt: executions), plan: plan, verdict: .retry(Self.problem), jitter: 0)
        #expect(last.next == .failed(Self.problem, waitingOn: .operator))
    }

    @Test("asks sooner where the verdict says so: two more tries are three executions")
    func atMost() {
        let verdict = Verdict.retry(Self.problem, .atMost(2))
        #expect(
            Transition(job(.subscribeApp, attempt: 2), plan: plan, verdict: verdict, jitter: 0).next
                == .again(seconds: 0)
        )
        #expect(
            Transition(job(.subscribeApp, attempt: 3), plan: plan, verdict: verdict, jitter: 0).next
                == .failed(Self.problem, waitingOn: .operator)
        )
    }

    @Test("gives up when the horizon lies before the next try, a code's as the customer's move")
    func horizon() {
        let late = Transition(job(.exchangeCode, left: 0.1), plan: plan, verdict: .retry(Self.problem), jitter: 1)
        guard case .failed(let problem, waitingOn: .customer) = late.next else {
            Issue.record("\(late.next)")
            return
        }
        #expect(problem.code == "code_expired")
        let inTime = Transition(job(.exchangeCode, left: 0.3), plan: plan, verdict: .retry(Self.problem), jitter: 1)
        #expect(inTime.next == .again(seconds: 0.2))
    }

    @Test("leaves a code that could not be sent until it is dead, and then has its token fetched, where that can be")
    func recoverable() {
        func next(_ attempt: Int32, left: Double, _ patience: Patience = .policy) -> Transition.Next {
            let job = Transition.Job(step: .exchangeCode, attempt: attempt, secondsUntilGiveUp: left, canRecover: true)
            return Transition(job, plan: plan, verdict: .retry(Self.problem, patience), jitter: 1).next
        }
        #expect(next(5, left: 28) == .again(seconds: 28.1), "its tries are used up")
        #expect(next(1, left: 0.1) == .again(seconds: 0.2), "its time is over before the next")
        #expect(next(1, left: -3) == .again(seconds: 0.1))
        guard case .failed(let problem, waitingOn: .customer) = next(12, left: -3, .recovery) else {
            Issue.record("a recovery has an end")
            return
        }
        #expect(problem.code == "code_spent")
    }

    @Test(
        "completes the signup with a warning when only the test message failed",
        arguments: [
            (Verdict.fail(problem, waitingOn: .operator), "test_message_failed"),
            (.uncertain(problem), "test_message_uncertain"),
        ]
    )
    func message(verdict: Verdict, warning: String) {
        let transition = Transition(job(.sendTestMessage), plan: plan, verdict: verdict, jitter: 0)
        #expect(transition.next == .completed)
        #expect(transition.warning == warning)
        #expect(transition.problem == Self.problem, "the attempt says why")
    }

    @Test("makes an uncertain effect the operator's move, whatever the code was")
    func uncertain() {
        let transition = Transition(job(.shareCreditLine), plan: plan, verdict: .uncertain(Self.problem), jitter: 0)
        guard case .failed(let problem, waitingOn: .operator) = transition.next else {
            Issue.record("\(transition.next)")
            return
        }
        #expect(problem.code == "effect_uncertain")
        #expect(problem.message == Self.problem.message)
    }
}
