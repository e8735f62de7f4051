/// Why a signup is where it is, in the words that the command line and the signup's page both show.
import Onboarding

public struct SignupCard: Sendable {
    /// "FAILED at register_phone".
    public let standing: String
    /// What Meta said, or what Embark found; nil when nothing went wrong.
    public let said: Said?
    public let means: String
    public let move: String
    /// The steps that were done, in order.
    public let done: [String]
    /// Of those, what an operator has left out.
    public let skipped: [String]
    /// Whether it can be replayed, from where, and when.
    public let replay: String
    /// Nil when a replay is out of the question.
    public let replayFrom: String?
    /// What upstream may run instead, with the code in place of `CODE`; nil where it can do nothing.
    public let upstreamSQL: String?
    /// What to run next, ready to paste; never empty.
    public let next: Next

    public struct Said: Sendable {
        /// Whether these are Meta's words, not ours.
        public let isMetas: Bool
        public let code: String
        public let message: String
        public let httpStatus: Int32?
        public let fbtraceID: String?
    }

    /// Commands for a shell. In place of `NNNNNN`, `ID` and `CCC` stand a PIN, an id and a currency; `-` reads standard input.
    public struct Next: Sendable, Equatable {
        public let commands: [String]
        /// Whether one of them is to be run, the one that is true, and not all in order.
        public let isChoice: Bool

        init(_ commands: [String], isChoice: Bool = false) {
            self.commands = commands
            self.isChoice = isChoice
        }
    }

    /// Calls to register that Meta allows a number in 72 hours.
    public static let registerCallsMax = 10

    public init(_ facts: SignupCardFacts) {
        switch facts.state {
        case "failed": self.init(failed: facts)
        case "completed": self.init(completed: facts)
        case "cancelled": self.init(cancelled: facts)
        default:
            if let pause = facts.pause {
                self.init(facts, paused: pause)
            } else {
                self.init(running: facts)
            }
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
        upstreamSQL: String? = nil,
        next: Next? = nil
    ) {
        self.standing = standing
        self.said = said
        self.means = means
        self.move = move
        let isDone = facts.state == "completed"
        let place = isDone ? facts.plan.endIndex : facts.step.flatMap { facts.plan.firstIndex(of: $0) } ?? 0
        done = facts.plan[..<place].filter { !facts.skipped.contains($0) }
        skipped = facts.plan[..<place].filter { facts.skipped.contains($0) }
        self.replay = replay
        self.replayFrom = replayFrom
        self.upstreamSQL = upstreamSQL
        self.next = next ?? Next(["embark signup show \(facts.id)"])
    }

    // MARK: Ended

    private init(failed facts: SignupCardFacts) {
        let party = facts.waitingOn.flatMap(Party.init(rawValue:)) ?? .operator
        let explanation = Explanation(
            errorCode: facts.errorCode,
            waitingOn: party,
            step: facts.step.flatMap(Step.init(rawValue:))
        )
        let step = facts.step ?? facts.plan.first ?? Step.exchangeCode.rawValue
        let from = explanation.replay == .withCode ? Step.exchangeCode.rawValue : step
        // A replay that would begin with the call that the quota forbids is refused: the card says when it is not any more, and
        // prints none until then. One that begins earlier, or with another number, is not.
        let later = Self.meetsQuota(explanation.replay, from: from) ? facts.registerFree : nil
        let isQuota = facts.errorCode == "register_quota"
        self.init(
            facts,
            standing: "FAILED at \(step)",
            said: Self.said(facts),
            means: explanation.means,
            move: isQuota
                ? later.map { "nobody's until \($0.at.spokenAhead); then you (replay)" } ?? explanation.move
                : explanation.move,
            replay: Self.replay(explanation.replay, from: from, later, facts),
            replayFrom: [.afterResolving, .anew].contains(explanation.replay) ? nil : from,
            upstreamSQL: explanation.replay == .withCode && party == .customer ? Self.renewal(facts) : nil,
            next: Next(
                explanation.commands(id: facts.id, isTooEarly: later != nil),
                isChoice: explanation.isChoice && later == nil
            )
        )
    }

    private init(completed facts: SignupCardFacts) {
        // The check failed and the onboarding did not: what Meta said to it has words of its own.
        let failedTest = facts.warnings.contains("test_message_failed") ? facts.lastError?.code : nil
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
        let doubt =
            facts.warnings.contains("test_message_uncertain")
            ? Explanation(errorCode: "effect_uncertain", waitingOn: .operator, step: nil) : nil
        self.init(
            facts,
            standing: "COMPLETED",
            said: explanation == nil ? nil : Self.said(facts),
            means: means,
            move: explanation?.move
                ?? (doubt == nil ? "nobody's" : "you (ask the recipient whether it came, then resolve it)"),
            replay: "not needed: it is completed",
            next: doubt.map { Next($0.commands(id: facts.id), isChoice: $0.isChoice) }
        )
    }

    private init(cancelled facts: SignupCardFacts) {
        let who = facts.cancelledBy ?? "An operator"
        let why = facts.cancelReason.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? "."
        self.init(
            facts,
            standing: "CANCELLED",
            means: "\(who) gave it up\(why)",
            move: "nobody's",
            replay: "no: it was cancelled"
        )
    }

    // MARK: Running

    private init(running facts: SignupCardFacts) {
        let isOverdue = facts.jobState == "ready" && (facts.dueIn ?? .zero) < .seconds(-10)
        let left = facts.dueIn?.spokenAhead
        let attempts = facts.jobAttempts ?? 0
        let before = attempts == 0 ? "" : attempts == 1 ? ", after one attempt" : ", after \(attempts) attempts"
        let means =
            switch facts.jobState {
            case "running": "A worker has it in hands" + (left.map { ", for \($0) more at most." } ?? ".")
            case "scheduled":
                "It is \(attempts == 0 ? "begun" : "tried again") by itself" + (left.map { " in \($0)" } ?? "")
                    + "\(before)."
            case _ where isOverdue: "It is due and no worker takes it: none runs, or all are behind."
            default: "It is due: the next free worker takes it."
            }
        self.init(
            facts,
            standing: "RUNNING at \(facts.step ?? "-")",
            said: Self.saidOfJob(facts),
            means: means,
            move: isOverdue ? "you (see whether the workers run)" : "nobody's: it goes on by itself",
            replay: "not while it runs",
            next: isOverdue ? Next(["embark top --once"]) : nil
        )
    }

    /// A limit, our own credentials or an operator hold it up.
    private init(_ facts: SignupCardFacts, paused pause: SignupCardFacts.Pause) {
        let scope = Scope(name: pause.scope)
        let ends = pause.end.map { "for \($0.left.spokenAhead) more, until \($0.at.spokenAhead)" } ?? "without an end"
        let byHand = PauseReason.isByHand(pause.reason)
        let move =
            if pause.isCredentials {
                scope == .app
                    ? "you (set EMBARK_APP_SECRET, restart the workers, then resume)"
                    : "you (make a new system user token, set EMBARK_SYSTEM_TOKEN, restart the workers, then resume)"
            } else if byHand {
                "nobody's until then; you can end it before"
            } else {
                "nobody's: it goes on by itself when Meta's limit is over"
            }
        // To call Graph before the end that it named lengthens the block: nothing to paste then.
        let resume = (pause.isCredentials || byHand) ? scope.map { #"embark resume \#($0.name) --reason "…""# } : nil
        self.init(
            facts,
            standing: "PAUSED at \(facts.step ?? "-")",
            said: Self.saidOfJob(facts),
            means: "\(pause.scope) rests \(ends): \(pause.reason.prefix(100))",
            move: move,
            replay: "not while it runs",
            next: resume.map { Next([$0]) }
        )
    }

    // MARK: Its parts

    /// The signup's error is what counts; the attempt adds what only it knows.
    private static func said(_ facts: SignupCardFacts) -> Said? {
        let last = facts.lastError
        guard let code = facts.errorCode ?? last?.code else { return nil }
        let isLast = facts.errorCode == nil || facts.errorCode == last?.code || last?.httpStatus != nil
        return Said(
            isMetas: code.first?.isNumber == true,
            code: code,
            message: facts.errorMessage ?? last?.message ?? "",
            httpStatus: isLast ? last?.httpStatus : nil,
            fbtraceID: isLast ? last?.fbtraceID : nil
        )
    }

    /// What befell a step that is behind it explains nothing.
    private static func saidOfJob(_ facts: SignupCardFacts) -> Said? {
        facts.lastError?.step == facts.step ? said(facts) : nil
    }

    private static func replay(
        _ need: Explanation.Replay,
        from step: String,
        _ later: SignupCardFacts.Later?,
        _ facts: SignupCardFacts
    ) -> String {
        var text =
            switch need {
            case .asItIs: "safe from \(step)"
            case .withPIN: "safe from \(step), with another PIN"
            case .withPhone: "safe from \(step), with the number named"
            case .withCurrency: "safe from \(step), with the currency named"
            case .withCode: "safe from \(step) with a new code only, on a line of its own"
            case .takingOver: "safe from \(step); where the other one has ended, resolve it"
            case .anew: "of no use: what was left out cannot be named here"
            case .afterResolving: "not before it is resolved: the effect may be there already"
            }
        // A replay that meets a pause is taken and waits for its end.
        let pause = step == facts.step && ![.anew, .afterResolving].contains(need) ? facts.pause : nil
        if let end = [later, pause?.end].compactMap(\.self).max(by: { $0.at < $1.at }) {
            text += "; not before \(end.at.spokenAhead) (in \(end.left.spokenAhead))"
        } else if pause != nil {
            text += "; not before somebody ends its pause"
        }
        if isRegistrationAhead(facts) {
            text += "; \(facts.registerCalls) of \(registerCallsMax) register calls used in 72 h"
        }
        return text
    }

    /// Whether the first call of a replay would be one more registration of the number.
    private static func meetsQuota(_ need: Explanation.Replay, from step: String) -> Bool {
        switch need {
        case .asItIs, .withPIN, .withCurrency, .takingOver: step == Step.registerPhone.rawValue
        case .withPhone, .withCode, .afterResolving, .anew: false
        }
    }

    private static func isRegistrationAhead(_ facts: SignupCardFacts) -> Bool {
        facts.plan.contains(Step.registerPhone.rawValue) && facts.phoneNumberID != nil
    }

    /// For upstream, in whose hands a new code comes. An external id that cannot be read on a screen cannot be pasted either.
    private static func renewal(_ facts: SignupCardFacts) -> String? {
        guard let externalID = facts.externalID,
            externalID.unicodeScalars.allSatisfy({ $0.isASCII && $0.value >= 0x20 && $0.value != 0x7F })
        else { return nil }
        return "SELECT embark.renew_signup('\(externalID.replacing("'", with: "''"))', 'CODE');"
    }
}
