/// The ordered steps of one signup: pure data, derived in SQL when the signup is enqueued and kept on it.
///
/// It is derived there because a signup must have its plan before any worker has seen it, and must keep it when the
/// installation changes later.
public struct Plan: Sendable, Equatable {
    /// Never empty, without repetitions, in the order of `Step`.
    public let steps: [Step]

    /// Reads a plan as the database keeps it.
    ///
    /// - Throws: `MalformedPlan`, naming what is wrong, for a row that no version of Embark wrote.
    public init(stepNames: [String]) throws(MalformedPlan) {
        var steps: [Step] = []
        for name in stepNames {
            guard let step = Step(rawValue: name) else { throw .unknownStep(name) }
            if let last = steps.last, last >= step { throw .outOfOrder(step) }
            steps.append(step)
        }
        if steps.isEmpty { throw .empty }
        self.steps = steps
    }

    /// The step behind `step`, or nil behind the last one and behind a step that is not in the plan.
    public func next(after step: Step) -> Step? {
        guard let index = steps.firstIndex(of: step), index + 1 < steps.endIndex else { return nil }
        return steps[index + 1]
    }

    /// The steps that had to be done, or skipped by an operator, before `step` could begin.
    public func stepsBefore(_ step: Step) -> ArraySlice<Step> {
        steps.prefix { $0 < step }
    }
}

/// Why a plan in the database cannot be one.
public enum MalformedPlan: Error, Equatable, CustomStringConvertible {
    case empty
    case unknownStep(String)
    case outOfOrder(Step)

    public var description: String {
        switch self {
        case .empty: "the plan has no step"
        case .unknownStep(let name): "the plan has a step that this version of embark does not know: \(name)"
        case .outOfOrder(let step): "the plan has \(step.rawValue) out of order or twice"
        }
    }
}
