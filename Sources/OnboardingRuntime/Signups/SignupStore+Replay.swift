/// Replays: which signups, what would come of it, and the replay itself.
public import Onboarding
public import Postgres

/// How failed signups are to be run again, one or many.
public struct ReplayOrder: Sendable {
    /// nil for the step at which each of them failed.
    public let from: Step?
    public let code: Secret?
    public let pin: Secret?
    public let mending: Mending
    /// For the audit.
    public let reason: String

    /// What upstream had wrong or had left out; nil stays as it is.
    public struct Mending: Sendable {
        public let phoneNumberID: String?
        public let currency: String?

        public init(phoneNumberID: String? = nil, currency: String? = nil) {
            self.phoneNumberID = phoneNumberID
            self.currency = currency
        }

        var isEmpty: Bool { phoneNumberID == nil && currency == nil }
    }

    public init(
        from: Step? = nil,
        code: Secret? = nil,
        pin: Secret? = nil,
        mending: Mending = Mending(),
        reason: String
    ) {
        self.from = from
        self.code = code
        self.pin = pin
        self.mending = mending
        self.reason = reason
    }

    /// - Parameter lockWait: as lock_timeout takes it; nil for as long as the session waits.
    func call(_ plan: ReplayPlan, lockWait: String?) -> Call<Single<Int32>> {
        Queries.replaySignup(plan.id, from?.rawValue, code?.revealed, pin?.revealed, reason, plan.generation, lockWait)
    }
}

/// The signups that failed at one step with one error code.
public struct FailedSignups: Sendable {
    public enum Since: Sendable, Equatable {
        /// Up to so many seconds before now, by the database's clock.
        case ago(seconds: Double)
        case time(Timestamp)
    }

    public let step: Step
    public let errorCode: String
    public let since: Since

    public init(step: Step, errorCode: String, since: Since) {
        self.step = step
        self.errorCode = errorCode
        self.since = since
    }
}

extension SignupStore {
    /// Signups that one statement of a selection reads.
    private static let pageMax = 500

    /// The ids of the first `max` of them, those that failed longest ago first, and whether there are more.
    public static func find(
        _ failed: FailedSignups,
        max: Int,
        on connection: Connection
    ) async throws(PostgresError) -> (ids: [Int64], hasMore: Bool) {
        var ids: [Int64] = []
        var last: FailedSignup?
        while ids.count <= max {
            let limit = min(pageMax, max + 1 - ids.count)
            let page = try await connection.run(page(of: failed, behind: last, limit: limit))
            ids += page.map(\.id)
            last = page.last
            if page.count < limit { break }
        }
        return (Array(ids.prefix(max)), ids.count > max)
    }

    private static func page(of failed: FailedSignups, behind last: FailedSignup?, limit: Int) -> Call<FailedSignup> {
        var seconds: Double?
        var time: Timestamp?
        switch failed.since {
        case .ago(let length): seconds = length
        case .time(let since): time = since
        }
        return Queries.findFailedSignups(
            failed.step.rawValue,
            failed.errorCode,
            seconds,
            time,
            last?.until,
            last?.failedAt,
            last?.id,
            Int32(clamping: limit)
        )
    }

    /// What replaying these signups would do, in their order. Those that do not exist are left out. Nothing is changed.
    public static func plans(
        of ids: [Int64],
        _ order: ReplayOrder,
        on connection: Connection
    ) async throws(PostgresError) -> [ReplayPlan] {
        var plans: [ReplayPlan] = []
        var rest = ids[...]
        while !rest.isEmpty {
            let page = Queries.planReplays(
                Array(rest.prefix(pageMax)),
                order.from?.rawValue,
                order.code != nil,
                order.mending.phoneNumberID
            )
            plans += try await connection.run(page)
            rest = rest.dropFirst(pageMax)
        }
        return plans
    }

    /// Replays a failed signup and returns its new generation. Refused when the plan's generation is not the signup's any more.
    ///
    /// - Parameter lockWait: for how long somebody else may hold its row, as lock_timeout takes it; nil for as long as the
    ///   session waits.
    public static func replay(
        _ plan: ReplayPlan,
        _ order: ReplayOrder,
        lockWait: String? = nil,
        on connection: Connection
    ) async throws(PostgresError) -> Int32 {
        // Mended and replayed, or neither.
        let rows = try await Transaction.run(on: connection) { () async throws(PostgresError) in
            if !order.mending.isEmpty {
                let mending = order.mending
                _ = try await connection.run(
                    Queries.mendSignup(plan.id, mending.phoneNumberID, mending.currency, order.reason, lockWait)
                )
            }
            return try await connection.run(order.call(plan, lockWait: lockWait))
        }
        guard let generation = rows.first?.value else { throw .decoding("the replay returned no generation") }
        return generation
    }
}

/// A row of find_failed_signups.
struct FailedSignup: RowDecodable {
    let id: Int64
    let failedAt: Timestamp
    /// The end of the selection, fixed by its first page.
    let until: Timestamp

    static let columnTypes: [PostgresType] = [.int8, .timestamptz, .timestamptz]

    init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        failedAt = try row.next()
        until = try row.next()
    }
}
