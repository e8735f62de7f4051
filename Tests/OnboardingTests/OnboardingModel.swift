/// Everything that an onboarding can become: the transition function from each state that verdicts lead to, by breadth-first
/// search. Time is left in parts of the step's horizon, rounded down: the rest went by while the job waited for a worker.
import Synchronization

@testable import Onboarding

struct OnboardingState: Hashable {
    var step: Step
    /// Executions that count, this one included.
    var attempt: Int32 = 1
    /// Parts of the horizon that are left; -1 when it is over, nil for a job without one.
    var partsLeft: Int?
    var canRecover: Bool
    var hasWarning = false
}

struct OnboardingModel {
    let plan: Plan
    /// Parts of a horizon that are told apart.
    let parts: Int
    let jitters: [Double]
    let verdicts: [Step: [Verdict]]
    /// Whether workers die, too: such an execution is charged and leads to no verdict.
    let workersDie: Bool

    /// Above the greatest limit of any step, `Patience.recovery`'s: no execution leads there, but for one whose worker dies.
    static let attemptMax: Int32 = 16

    struct Visited {
        var states = 0
        var transitions = 0
        var ends: Set<End> = []
        var seen: Set<OnboardingState> = []
    }

    enum End: Hashable {
        case completed(hasWarning: Bool)
        case failed(Step, Party)
        case wentOn
    }

    func secondsLeft(_ state: OnboardingState) -> Double? {
        state.partsLeft.map { $0 < 0 ? -1 : Double($0) * state.step.policy.horizonSeconds / Double(parts) }
    }

    func partsLeft(_ seconds: Double, _ step: Step) -> Int {
        seconds < 0 ? -1 : min(parts, Int(seconds / step.policy.horizonSeconds * Double(parts)))
    }

    func first(_ step: Step, like state: OnboardingState) -> OnboardingState {
        var next = state
        (next.step, next.attempt, next.partsLeft) = (step, 1, parts)
        return next
    }

    /// Visits each state once, and hands each of its transitions to `inspect` with the state that it leads to; nil for an end.
    func visit(_ inspect: (OnboardingState, Verdict, Transition, OnboardingState?) -> Void) -> Visited {
        var visited = Visited()
        var waiting: [OnboardingState] = []
        func reach(_ state: OnboardingState) {
            if visited.seen.insert(state).inserted { waiting.append(state) }
        }
        for canRecover in [false, true] {
            reach(OnboardingState(step: plan.steps[0], partsLeft: parts, canRecover: canRecover))
        }
        while let state = waiting.popLast() {
            visited.states += 1
            if workersDie, state.attempt < Self.attemptMax - 2 {
                var next = state
                next.attempt += 1
                reach(next)
            }
            let job = Transition.Job(
                step: state.step,
                attempt: state.attempt,
                secondsUntilGiveUp: secondsLeft(state),
                canRecover: state.canRecover
            )
            for verdict in verdicts[state.step] ?? [] {
                for jitter in jitters {
                    let transition = Transition(job, plan: plan, verdict: verdict, jitter: jitter)
                    visited.transitions += 1
                    let next = self.next(state, transition)
                    inspect(state, verdict, transition, next)
                    if let next { reach(next) } else { visited.ends.insert(Self.end(transition, state)) }
                }
            }
        }
        return visited
    }

    /// As settle.sql and claim.sql write it.
    private func next(_ state: OnboardingState, _ transition: Transition) -> OnboardingState? {
        var state = state
        if transition.warning != nil { state.hasWarning = true }
        switch transition.next {
        case .step(let step): return first(step, like: state)
        case .again(let seconds, let paused):
            if transition.counts { state.attempt += 1 }
            state.partsLeft = secondsLeft(state).map { partsLeft($0 - seconds + paused, state.step) }
            return state.attempt <= Self.attemptMax ? state : nil
        case .completed, .failed: return nil
        }
    }

    private static func end(_ transition: Transition, _ state: OnboardingState) -> End {
        switch transition.next {
        case .completed: .completed(hasWarning: state.hasWarning || transition.warning != nil)
        case .failed(_, let party): .failed(state.step, party)
        case .step, .again: .wentOn
        }
    }
}

/// Whether the error table explains a code, remembered: to look is the slowest part of what asks it a million times.
enum KnownCodes {
    private struct Place: Hashable {
        let code: String
        let party: Party?
        let step: Step
    }

    private static let known = Mutex<[Place: Bool]>([:])

    /// True as well for a code of Meta's that no row explains to anybody: it is shown in Meta's own words.
    static func explains(_ code: String, _ party: Party?, _ step: Step) -> Bool {
        let place = Place(code: code, party: party, step: step)
        return known.withLock { known in
            if let answer = known[place] { return answer }
            let isMetas = code.allSatisfy { $0.isNumber || $0 == "/" } && ErrorTable.row(code: code, nil, step) == nil
            let answer = isMetas || ErrorTable.row(code: code, party, step) != nil
            known[place] = answer
            return answer
        }
    }
}

/// What a step can say, one verdict of each kind: each reaction of the error table to each of its codes at this step, each
/// patience and wait of the steps' own, and what the worker says itself.
enum PossibleVerdicts {
    static func all(_ step: Step, _ context: StepContext) -> [Verdict] {
        let ours = Problem(code: "no_answer", message: "no answer came")
        var verdicts: [Verdict] = [
            .done(Facts()), .retry(ours), .retry(ours, .atMost(1)), .retry(ours, .atMost(3)), .retry(ours, .after(60)),
            .wait(ours, seconds: RegisterPhone.elsewhereSeconds), .wait(ours, seconds: ShareCreditLine.readBackSeconds),
            .wait(ours, seconds: 10), .wait(ours, seconds: 300), .throttle(ours, seconds: 1),
            .throttle(ours, seconds: Throttle.secondsRange.upperBound),
            .fail(Problem(code: "sealing_failed", message: "altered"), waitingOn: .operator), .uncertain(.interrupted),
        ]
        if step == .exchangeCode { verdicts += [.retry(ours, .recovery), .fail(.codeGone, waitingOn: .customer)] }
        for code in Set(ErrorTable.rows.filter { $0.reaction != nil }.flatMap(\.codes)).union(["999999"]).sorted() {
            let parts = code.split(separator: "/").compactMap { Int($0) }
            for token in [GraphRequest.Token.business, .system, .app] {
                for (status, isTransient) in [(400, false), (500, false), (400, true)] {
                    let error = GraphError(
                        code: parts[0],
                        subcode: parts.dropFirst().first,
                        message: "refused",
                        isTransient: isTransient
                    )
                    verdicts.append(Classify.verdict(error, status: status, token: token, at: step, context))
                }
            }
        }
        return verdicts
    }

    /// One of each kind that the transition could tell apart.
    static func kinds(_ verdicts: [Verdict]) -> [Verdict] {
        var kinds: [Verdict] = []
        for verdict in verdicts where !kinds.contains(where: { isSameKind($0, verdict) }) { kinds.append(verdict) }
        return kinds
    }

    private static func isSameKind(_ one: Verdict, _ other: Verdict) -> Bool {
        switch (one, other) {
        case (.done, .done), (.uncertain, .uncertain): true
        case (.retry(_, let one), .retry(_, let other)): one == other
        case (.wait(_, let one), .wait(_, let other)): one == other
        case (.throttle(_, let one), .throttle(_, let other)): one == other
        case (.fail(_, let one), .fail(_, let other)): one == other
        case (.done, _), (.retry, _), (.wait, _), (.throttle, _), (.fail, _), (.uncertain, _): false
        }
    }
}
