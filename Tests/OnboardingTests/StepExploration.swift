/// Runs a step through everything that its calls may answer, execution after execution, as `JobRunner` and the database
/// would: every answer at every call, a worker that dies at every call, and what all that leaves on record.
@testable import Onboarding

/// What outlives an execution. How many there were is not in it: what holds, holds for any number.
struct StepRecord: Hashable {
    var wasSent = false
    var hasCode = true
    /// Calls to share and to attach that may have left, as embark.credit_shares counts them.
    var posts = 0
    var attachments = 0
    /// Whether the last of them is long enough ago to be visible.
    var isOldPost = true
    /// The number's register and deregister calls in 72 hours.
    var registerCalls = 0
    /// Calls that must not be repeated and that may have had their effect: what the database does not know.
    var effects = 0
}

/// How an execution ended.
enum ExecutionEnd {
    case verdict(Verdict)
    /// The worker died after the call had been permitted.
    case killed
}

struct StepExploration {
    /// Meta's limit is ten; four are made without an operator (`RegisterQuota.automaticMax`).
    static let registerCallsMax = 4
    /// More than any step makes.
    static let callsMax = 16
    /// As far as what must not happen once more is counted: a step that goes on with it has to come to an end here, too.
    static let countMax = 3

    struct Call {
        let request: GraphRequest
        /// nil where the call was not permitted.
        let answer: GraphAnswer?
    }

    let step: Step
    let context: StepContext
    /// Looks at each call before it is made, and at each end.
    let inspect: (_ calls: [Call], _ next: GraphRequest?, _ record: StepRecord) -> Void
    let end: (_ calls: [Call], ExecutionEnd, _ record: StepRecord) -> Void

    func execute(_ start: StepRecord) {
        var context = context
        context.wasSent = start.wasSent
        if !start.hasCode { context.credentials.code = nil }
        if start.posts + start.attachments > 0 {
            context.creditShare = StepContext.CreditShare(
                signupID: context.signup.id,
                posts: start.posts,
                attachments: start.attachments,
                secondsSincePost: start.isOldPost ? 61 : 1
            )
        }
        go(step.nextMove(context), context, [], [], start)
    }

    private func go(
        _ move: StepMove,
        _ context: StepContext,
        _ events: [StepEvent],
        _ calls: [Call],
        _ record: StepRecord
    ) {
        switch move {
        case .finish(let verdict):
            inspect(calls, nil, record)
            end(calls, .verdict(verdict), record)
        case .call(let request):
            inspect(calls, request, record)
            // A step that goes on for ever is found by whoever inspects; here it ends.
            guard calls.count < Self.callsMax else { return }
            for refusal in refusals(request, record) {
                let after = events + [.refused(refusal)]
                let refused = calls + [Call(request: request, answer: nil)]
                go(step.nextMove(context, after: after), context, after, refused, record)
            }
            guard let permitted = permitted(request, record) else { return }
            end(calls, .killed, permitted)
            answer(request, context, events, calls, permitted)
        }
    }

    /// Of the answers of one kind that lead to the same call one is followed; all are looked at.
    private func answer(
        _ request: GraphRequest,
        _ context: StepContext,
        _ events: [StepEvent],
        _ calls: [Call],
        _ permitted: StepRecord
    ) {
        var followed: Set<String> = []
        // What a reading call can be refused with has been seen in full before.
        let isKnown = request.precondition == .none && calls.count >= 2
        for possible in (isKnown ? PossibleAnswer.few : PossibleAnswer.all)[request.endpoint] ?? [] {
            let after = events + [.answer(to: request.endpoint, possible.answer)]
            let move = step.nextMove(context, after: after)
            if case .call(let next) = move {
                let kind = kind(possible) + " " + next.endpoint.rawValue + " " + next.path
                guard followed.insert(kind).inserted else { continue }
            }
            let made = calls + [Call(request: request, answer: possible.answer)]
            go(move, context, after, made, answered(request, possible.answer, permitted))
        }
    }

    private func kind(_ possible: PossibleAnswer) -> String {
        switch CallOutcome(possible.answer).withDoubt(at: step) {
        case .value: possible.name
        case .unknown: "unknown"
        case .notSent: "not sent"
        case .refused(let error, _): "\(Classify.reaction(error, at: step) as Any)"
        }
    }

    // MARK: What the database does

    private func refusals(_ request: GraphRequest, _ record: StepRecord) -> [StepEvent.Refusal] {
        switch request.precondition {
        case .none, .sentMark, .codeErased: []
        case .creditShare: [.creditShareElsewhere(signupID: 5)]
        case .registerCall:
            record.registerCalls >= Self.registerCallsMax
                ? [.registerQuota(used: record.registerCalls)] : [.registerElsewhere(signupID: 5)]
        }
    }

    /// What is on record when the call may leave; nil where it may not.
    private func permitted(_ request: GraphRequest, _ record: StepRecord) -> StepRecord? {
        var record = record
        switch request.precondition {
        case .none: return record
        case .codeErased: record.hasCode = false
        case .sentMark:
            record.wasSent = true
            record.effects = min(record.effects + 1, Self.countMax)
        case .creditShare(_, let attaches):
            record.wasSent = true
            record.isOldPost = false
            if attaches {
                record.attachments = min(record.attachments + 1, Self.countMax)
            } else {
                record.posts = min(record.posts + 1, Self.countMax)
            }
        case .registerCall:
            guard record.registerCalls < Self.registerCallsMax else { return nil }
            record.wasSent = true
            record.registerCalls += 1
        }
        return record
    }

    /// A call that never left, and one that was refused for certain, had no effect.
    private func answered(_ request: GraphRequest, _ answer: GraphAnswer, _ permitted: StepRecord) -> StepRecord {
        var record = permitted
        let isUnsent = if case .notSent = answer { true } else { false }
        guard isUnsent || answer.isRefusalWithoutEffect(at: step) else { return record }
        switch request.precondition {
        case .none, .codeErased: break
        case .sentMark: record.effects -= 1
        case .creditShare(_, let attaches):
            if attaches { record.attachments -= 1 } else { record.posts -= 1 }
        case .registerCall: if isUnsent { record.registerCalls -= 1 }
        }
        if isUnsent, request.precondition != .none { record.wasSent = false }
        return record
    }

    // MARK: Execution after execution

    /// Everything that can be on record before an execution, from `first` on: breadth first, as long as `goesOn` says how.
    ///
    /// - Returns: how many different records there were.
    static func reach(
        from first: StepRecord,
        explore: (StepRecord, _ reached: @escaping (StepRecord) -> Void) -> Void
    ) -> Int {
        var seen: Set<StepRecord> = [first]
        var waiting = [first]
        while let record = waiting.popLast() {
            explore(record) { next in
                if seen.insert(next).inserted { waiting.append(next) }
            }
        }
        return seen.count
    }
}
