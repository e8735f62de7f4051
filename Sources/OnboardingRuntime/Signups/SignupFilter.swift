/// Which signups are meant; nil leaves a part out.
public import Postgres

public struct SignupFilter: Sendable {
    public var state: String?
    public var waitingOn: String?
    /// Where it is or where it stopped.
    public var step: String?
    public var errorCode: String?
    public var wabaID: String?
    /// When its state last changed: enqueued, replayed, or ended. `since` is part of the time, `until` is not.
    public var since: Bound?
    public var until: Bound?

    public init() {}

    /// An end of a time, reckoned by the database's clock.
    public enum Bound: Sendable, Equatable {
        case ago(seconds: Double)
        case at(Timestamp)

        var seconds: Double? { if case .ago(let seconds) = self { seconds } else { nil } }
        var moment: Timestamp? { if case .at(let moment) = self { moment } else { nil } }
    }
}
