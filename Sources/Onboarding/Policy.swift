/// Each step's limits, as data: one exhaustive switch that a new step has to answer.
public struct Policy: Sendable, Equatable {
    /// For all calls of one execution; its lease lasts `leaseMarginSeconds` longer.
    public let deadlineSeconds: Double
    /// For one call.
    public let callSeconds: Double
    /// Executions that count, before an operator is asked.
    public let executionsMax: Int32
    /// Backoff: uniform between 0 and min(cap, base · 2^n).
    public let baseSeconds: Double
    public let capSeconds: Double
    /// From when the step was enqueued until it is given up.
    public let horizonSeconds: Double

    public static let leaseMarginSeconds = 5.0
    public var leaseSeconds: Double { deadlineSeconds + Self.leaseMarginSeconds }
    /// A code's life (Meta, "Embedded Signup: Implementation").
    public static let codeSeconds = 30.0
}

extension Step {
    public var policy: Policy {
        switch self {
        case .exchangeCode:
            Policy(
                deadlineSeconds: 8,
                callSeconds: 7,
                executionsMax: 5,
                baseSeconds: 0.2,
                capSeconds: 2,
                horizonSeconds: Policy.codeSeconds
            )
        case .verifyGrant, .subscribeApp:
            Policy(
                deadlineSeconds: 20,
                callSeconds: 10,
                executionsMax: 8,
                baseSeconds: 1,
                capSeconds: 300,
                horizonSeconds: 3600
            )
        case .assignSystemUser:
            Policy(
                deadlineSeconds: 15,
                callSeconds: 10,
                executionsMax: 8,
                baseSeconds: 1,
                capSeconds: 300,
                horizonSeconds: 3600
            )
        case .shareCreditLine:
            Policy(
                deadlineSeconds: 45,
                callSeconds: 15,
                executionsMax: 6,
                baseSeconds: 2,
                capSeconds: 600,
                horizonSeconds: 7200
            )
        case .registerPhone:
            Policy(
                deadlineSeconds: 45,
                callSeconds: 25,
                executionsMax: 8,
                baseSeconds: 5,
                capSeconds: 900,
                horizonSeconds: 86_400
            )
        case .syncContacts, .syncHistory, .sendTestMessage:
            Policy(
                deadlineSeconds: 20,
                callSeconds: 15,
                executionsMax: 3,
                baseSeconds: 5,
                capSeconds: 300,
                horizonSeconds: 86_400
            )
        }
    }
}
