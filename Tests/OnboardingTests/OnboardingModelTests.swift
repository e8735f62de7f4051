/// Every reachable sequence of verdicts of every plan ends, in order, in time, and says whose move it is.
import Testing

@testable import Onboarding

@Suite("An onboarding, whatever its verdicts")
struct OnboardingModelTests {
    /// Each plan that could be stored and begins with the exchange: those that SQL derives are among them.
    static func plans() throws -> [Plan] {
        try (0..<256).map { bits in
            let rest = Step.allCases.dropFirst().enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element)
            return try Plan(stepNames: ([.exchangeCode] + rest).map(\.rawValue))
        }
    }

    static let verdicts: Result<[Step: [Verdict]], any Error> = Result {
        let context = try Fixture.context()
        return Dictionary(uniqueKeysWithValues: Step.allCases.map { ($0, PossibleVerdicts.all($0, context)) })
    }
    static let kinds = verdicts.map { $0.mapValues(PossibleVerdicts.kinds) }

    /// The first broken rule, in words; nil where all hold.
    private func broken(
        _ model: OnboardingModel,
        _ state: OnboardingState,
        _ verdict: Verdict,
        _ transition: Transition,
        _ next: OnboardingState?
    ) -> String? {
        let steps = model.plan.steps
        let isCheck = state.step == .sendTestMessage
        if (transition.warning != nil) != (isCheck && [.fail, .uncertain].contains(transition.recorded)) {
            return "only a test message that was not sent is a warning, and always one"
        }
        switch transition.next {
        case .step(let following):
            guard let place = steps.firstIndex(of: state.step), place + 1 < steps.count, steps[place + 1] == following
            else { return "the step behind is the plan's next" }
            if case .done = verdict { return nil }
            return isCheck ? nil : "no step is left out"
        case .completed:
            guard state.step == steps.last else { return "it completes behind the last step" }
            if case .done = verdict { return nil }
            return isCheck ? nil : "it completes with what its last step did"
        case .failed(let problem, let party):
            if isCheck { return "a check keeps no onboarding from completing" }
            if problem.message.isEmpty { return "a failure has a message" }
            return KnownCodes.explains(problem.code, party, state.step)
                ? nil : "the table explains \(problem.code) at \(state.step) to \(party)"
        case .again(let seconds, let paused):
            return brokenWait(model, state, verdict, transition, next, seconds: seconds, paused: paused)
        }
    }

    private func brokenWait(
        _ model: OnboardingModel,
        _ state: OnboardingState,
        _ verdict: Verdict,
        _ transition: Transition,
        _ next: OnboardingState?,
        seconds: Double,
        paused: Double
    ) -> String? {
        guard seconds.isFinite, seconds >= 0 else { return "a wait is not in the past: \(seconds)" }
        guard paused == 0 || paused == seconds else { return "a pause is as long as its wait" }
        guard let next, next.step == state.step else { return "it goes on for ever" }
        let left = model.secondsLeft(state)
        switch verdict {
        case .throttle(_, let asked):
            guard !transition.counts, (asked...asked + 30).contains(seconds) else {
                return "a pause is as long as asked"
            }
            return (paused == 0) == (state.step == .exchangeCode) ? nil : "a pause stops all clocks but a code's"
        case .wait(_, let asked):
            let longest = Double(asked) * 1.5
            guard !transition.counts, (Double(asked)...longest).contains(seconds) else {
                return "a wait is as long as asked"
            }
            if let left, seconds >= left { return "a wait ends before the step's time" }
            return next.partsLeft.map { $0 < state.partsLeft ?? .max } ?? true ? nil : "time goes on"
        case .retry(_, let patience):
            guard transition.counts, next.attempt == state.attempt + 1 else { return "what was tried is charged" }
            if seconds > 900 + 300 { return "backoff is capped" }
            // Its code dies unsent, and then its token is fetched without it.
            let waitsForEnd = state.step == .exchangeCode && state.canRecover && !patience.isRecovery
            if let left, seconds >= left, !patience.isRecovery, !waitsForEnd { return "a try is in the step's time" }
            return nil
        case .done, .fail, .uncertain:
            return "\(verdict) ends the step"
        }
    }

    @Test func `Of every plan ends in order, within its limits, and a failure says whose move it is`() throws {
        var visited = OnboardingModel.Visited()
        var found: Set<String> = []
        let plans = try Self.plans()
        for plan in plans {
            let model = OnboardingModel(
                plan: plan,
                parts: 3,
                jitters: [0, 1],
                verdicts: try Self.kinds.get(),
                workersDie: false
            )
            let one = model.visit { state, verdict, transition, next in
                if let rule = broken(model, state, verdict, transition, next) {
                    found.insert("\(rule): \(state), \(verdict), \(transition.next)")
                }
            }
            visited.states += one.states
            visited.transitions += one.transitions
            visited.ends.formUnion(one.ends)
            #expect(Set(one.seen.map(\.step)) == Set(plan.steps), "every step of \(plan) is reached, and no other")
        }
        #expect(found.isEmpty, "\(found.count): \(found.sorted().prefix(5))")
        print("\(plans.count) plans: \(visited.states) states, \(visited.transitions) transitions")
        #expect(visited.states >= 70_000 && visited.transitions >= 3_000_000)
        let failing = Step.allCases.filter { $0 != .sendTestMessage }
        let expected: [OnboardingModel.End] =
            [.completed(hasWarning: false), .completed(hasWarning: true)]
            + failing.flatMap { step in Party.allCases.map { .failed(step, $0) } }
        #expect(visited.ends == Set(expected))
    }

    @Test func `Ends with any share of its time left, by every code, and when workers die meanwhile`() throws {
        let plan = try #require(Self.plans().last)
        var found: Set<String> = []
        let fine = OnboardingModel(
            plan: plan,
            parts: 128,
            jitters: [0, 0.5, 1],
            verdicts: try Self.kinds.get(),
            workersDie: true
        )
        let inspect = { (model: OnboardingModel) in
            model.visit { state, verdict, transition, next in
                if let rule = broken(model, state, verdict, transition, next) {
                    found.insert("\(rule): \(state), \(verdict), \(transition.next)")
                }
            }
        }
        let byTime = inspect(fine)
        let byCode = inspect(
            OnboardingModel(plan: plan, parts: 2, jitters: [0.5], verdicts: try Self.verdicts.get(), workersDie: true)
        )
        #expect(found.isEmpty, "\(found.count): \(found.sorted().prefix(5))")
        print("by time: \(byTime.states) states, \(byTime.transitions) transitions; by code: \(byCode.transitions)")
        #expect(byTime.states >= 30_000 && byTime.transitions >= 2_000_000 && byCode.transitions >= 1_000_000)
    }

    /// Without its pauses, whose end Meta or an operator names.
    @Test func `Has an end within the patience of its steps`() throws {
        // The longest way through a step: each state's worst is known before those that lead to it are asked.
        let plan = try #require(Self.plans().last)
        for step in Step.allCases {
            var worst: [OnboardingState: Double] = [:]
            let model = OnboardingModel(
                plan: plan,
                parts: 64,
                jitters: [1],
                verdicts: try Self.kinds.get(),
                workersDie: false
            )
            var steps: [OnboardingState: [(OnboardingState, Double)]] = [:]
            _ = model.visit { state, verdict, transition, next in
                if case .throttle = verdict { return }
                if state.step == step, let next, case .again(let seconds, _) = transition.next {
                    steps[state, default: []].append((next, seconds))
                }
            }
            func longest(_ state: OnboardingState) -> Double {
                if let known = worst[state] { return known }
                let seconds = steps[state, default: []].map { $0.1 + longest($0.0) }.max() ?? 0
                worst[state] = seconds
                return seconds
            }
            let seconds = steps.keys.map(longest).max() ?? 0
            let recovery = step == .exchangeCode ? 11 * 300.0 : 0
            #expect(seconds > 0 && seconds <= step.policy.horizonSeconds + recovery + 1, "\(step): \(seconds)")
        }
    }
}
