/// What a replay of one signup would do, before it is asked for: a row of plan_replays.
import Onboarding
public import Postgres

public struct ReplayPlan: RowDecodable, Sendable {
    public let id: Int64
    public let externalID: String?
    public let state: String
    /// The generation that the plan is made for: a replay of it is refused once there is another.
    public let generation: Int32
    /// The names of the steps, as the database keeps them.
    public let steps: [String]
    public let failedStep: String?
    /// Where it would begin; nil for a signup without any step.
    public let firstStep: String?
    public let errorCode: String?
    public let allocationConfigID: String?
    /// Steps that an operator has left out.
    public let skipped: [String]
    /// Calls to register the number in the last 72 hours, by any signup; nil where the number is not known.
    public let registerCalls: Int32?
    /// Why it would be refused, and what would work; nil when nothing speaks against it.
    public let refusal: String?

    /// Steps that are proven done and stay as they are: the signup got past them.
    public var done: [String] { steps[..<place].filter { !skipped.contains($0) } }

    /// Steps that run, in order. Those before the one that failed were done, and are done again.
    public var willRun: [String] { Array(steps[place...]) }

    public func runsAgain(_ step: String) -> Bool {
        guard let failedStep, let failed = steps.firstIndex(of: failedStep) else { return false }
        return steps[..<failed].contains(step) && !skipped.contains(step)
    }

    /// What an operator's replay may still use of the number's register calls; nil when none will be made.
    public var registerCallsLeft: Int? {
        guard willRun.contains(Step.registerPhone.rawValue), let registerCalls else { return nil }
        return max(0, Self.registerCallsMax - Int(registerCalls))
    }

    /// Calls in 72 hours that operators' replays may use up.
    public static let registerCallsMax = RegisterQuota.max

    private var place: Int { firstStep.flatMap { steps.firstIndex(of: $0) } ?? steps.endIndex }

    public static let columnTypes: [PostgresType] = [
        .int8, .text, .text, .int4, [String].postgresType, .text, .text, .text, .text, [String].postgresType, .int4,
        .text,
    ]

    public init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        externalID = try row.next()
        state = try row.next()
        generation = try row.next()
        steps = try row.next()
        failedStep = try row.next()
        firstStep = try row.next()
        errorCode = try row.next()
        allocationConfigID = try row.next()
        skipped = try row.next()
        registerCalls = try row.next()
        refusal = try row.next()
    }
}
