/// Why a signup is where it is, in the words that the command line and the signup's page both show.
import Onboarding

public struct SignupCard: Sendable {
    /// "FAILED at register_phone".
    public let standing: String
    /// What Meta said, or what Embark found; nil when nothing went wrong.
    public let said: Said?
    public let means: String
    public let move: String
    /// The steps behind it, in order.
    public let done: [String]
    /// Whether it can be replayed, and from where.
    public let replay: String
    /// Nil when a replay is out of the question.
    public let replayFrom: String?
    /// Commands to run next, ready to paste.
    public let next: [String]

    public struct Said: Sendable {
        /// Whether these are Meta's words, not ours.
        public let isMetas: Bool
        public let code: String
        public let message: String
        public let httpStatus: Int32?
        public let fbtraceID: String?
    }

    /// Calls to register that Meta allows a number in 72 hours.
    public static let registerCallsMax = 10

    public init(_ facts: SignupCardFacts) {
        switch facts.state {
        case "failed": self.init(failed: facts)
        case "completed": self.init(completed: facts)
        case "cancelled":
            self.init(
                facts,
                standing: "CANCELLED",
                means: "An operator gave it up.",
                move: "nobody's",
                replay: "no: it was cancelled",
                next: ["embark signup show \(facts.id)"]
            )
        default: self.init(running: facts)
        }
    }

    private init(
        _ facts: SignupCardFacts,
        standing: String,
        said: Said? = nil,
        means: String,
        move: String,
        replay: String,
        replayFrom: String? = nil,
        next: [String]
    ) {
        self.standing = standing
        self.said = said
        self.means = means
        self.move = move
        let isDone = facts.state == "completed"
        let place = isDone ? facts.plan.endIndex : facts.step.flatMap { facts.plan.firstIndex(of: $0) } ?? 0
        done = Array(facts.plan[..<place])
        self.replay = replay
        self.replayFrom = replayFrom
        self.next = next
    }

    private init(failed facts: SignupCardFacts) {
        let explanation = Explanation(
            errorCode: facts.errorCode,
            waitingOn: facts.waitingOn.flatMap(Party.init(rawValue:)) ?? .operator,
            step: facts.step.flatMap(Step.init(rawValue:))
        )
        let step = facts.step ?? facts.plan.first ?? Step.exchangeCode.rawValue
        let from = explanation.replay == .withCode ? Step.exchangeCode.rawValue : step
        var replay =
            switch explanation.replay {
            case .asItIs: "safe from \(step)"
            case .withPIN: "safe from \(step), with another PIN"
            case .withPhone: "safe from \(step), with the number named"
            case .withCurrency: "safe from \(step), with the currency named"
            case .withCode: "safe from \(from), with a new code only"
            case .takingOver: "safe from \(step); where the other one has ended, resolve it"
            case .afterResolving: "not before it is resolved: the effect may be there already"
            }
        if let quota = Self.quota(facts) { replay += "; " + quota }
        self.init(
            facts,
            standing: "FAILED at \(step)",
            said: Self.said(facts),
            means: explanation.means,
            move: explanation.move,
            replay: replay,
            replayFrom: explanation.replay == .afterResolving ? nil : from,
            next: explanation.commands(id: facts.id)
        )
    }

    private init(completed facts: SignupCardFacts) {
        // The check failed and the onboarding did not: what Meta said to it has words of its own.
        let failedTest = facts.warnings.contains("test_message_failed") ? facts.lastErrorCode : nil
        let explanation = failedTest.map {
            let paysItself = !facts.plan.contains(Step.shareCreditLine.rawValue)
            return Explanation(errorCode: $0, waitingOn: paysItself ? .customer : .operator, step: .sendTestMessage)
        }
        let means =
            if let explanation {
                "Onboarded; the test message failed. " + explanation.means
            } else if facts.warnings.isEmpty {
                "The onboarding is done."
            } else {
                "The onboarding is done, with warnings: " + facts.warnings.joined(separator: ", ")
            }
        self.init(
            facts,
            standing: "COMPLETED",
            said: explanation == nil ? nil : Self.said(facts),
            means: means,
            move: explanation?.move ?? "nobody's",
            replay: "not needed: it is completed",
            next: facts.warnings.contains("test_message_uncertain")
                ? Explanation(errorCode: "effect_uncertain", waitingOn: .operator, step: nil).commands(id: facts.id)
                : ["embark signup show \(facts.id)"]
        )
    }

    private init(running facts: SignupCardFacts) {
        if let pause = facts.pause {
            self.init(facts, paused: pause)
            return
        }
        let isOverdue = facts.jobState == "ready" && (facts.dueIn ?? .zero) < .seconds(-10)
        let means =
            switch facts.jobState {
            case "running": "A worker has it in hands."
            case "scheduled": "It is tried again by itself."
            case _ where isOverdue: "It is due and no worker takes it: none runs, or all are behind."
            default: "It is due: the next free worker takes it."
            }
        self.init(
            facts,
            standing: "RUNNING at \(facts.step ?? "-")",
            said: Self.said(facts),
            means: means,
            move: isOverdue ? "you (see whether the workers run)" : "nobody's: it goes on by itself",
            replay: "not while it runs",
            next: [isOverdue ? "embark top --once" : "embark signup show \(facts.id)"]
        )
    }

    /// A limit, our own credentials or an operator hold it up.
    private init(_ facts: SignupCardFacts, paused pause: SignupCardFacts.Pause) {
        let seconds = max(1, Int(pause.left / .seconds(1)))
        let left = seconds < 120 ? "\(seconds) s" : seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
        let reason = String(pause.reason.prefix(100))
        self.init(
            facts,
            standing: "PAUSED at \(facts.step ?? "-")",
            said: Self.said(facts),
            means: "\(pause.scope) rests for \(left) more: \(reason)",
            move: pause.isCredentials
                ? "you (renew what Meta refused, restart the workers, then resume)"
                : "nobody's: it goes on by itself when the pause ends",
            replay: "not while it runs",
            next: ["embark resume \(pause.scope)"]
        )
    }

    /// The signup's error is what counts; the attempt adds what only it knows.
    private static func said(_ facts: SignupCardFacts) -> Said? {
        guard let code = facts.errorCode ?? facts.lastErrorCode else { return nil }
        let isLast = facts.errorCode == nil || facts.errorCode == facts.lastErrorCode || facts.lastHTTPStatus != nil
        return Said(
            isMetas: code.first?.isNumber == true,
            code: code,
            message: facts.errorMessage ?? facts.lastErrorMessage ?? "",
            httpStatus: isLast ? facts.lastHTTPStatus : nil,
            fbtraceID: isLast ? facts.lastFBTraceID : nil
        )
    }

    private static func quota(_ facts: SignupCardFacts) -> String? {
        let isAhead = facts.plan.contains(Step.registerPhone.rawValue) && facts.phoneNumberID != nil
        guard isAhead else { return nil }
        return "\(facts.registerCalls) of \(registerCallsMax) register calls used in 72 h"
    }
}
