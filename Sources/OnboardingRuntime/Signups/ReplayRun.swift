/// Replays many signups, each in a transaction of its own, at an even pace if one is given.
public import Postgres

public struct ReplayRun: Sendable {
    public enum Result: Sendable, Equatable {
        case replayed(generation: Int32)
        /// Why, and what would work.
        case refused(String)
        /// The database failed at this one: it is as it was. Why, and what to do.
        case failed(String)
        /// The database was lost in between: it may be replayed or not. Why, and what to do.
        case unknown(String)
        /// The database was lost before its turn: it is as it was.
        case notTried

        fileprivate var isOfLoss: Bool {
            switch self {
            case .replayed, .refused, .failed: false
            case .unknown, .notTried: true
            }
        }
    }

    /// Replays in one exchange with the database: one that is slow or lost costs no more than this.
    private static let batchMax = 100
    /// For how long a row that somebody holds keeps the others waiting: a replay waits for two locks at most, and must not last
    /// a second. All of a batch may be held, and its deadline is longer still.
    private static let lockWait = "400ms"

    let order: ReplayOrder
    let perSecond: Double?

    /// - Parameter perSecond: how many signups at most are replayed in a second; nil for as fast as it goes.
    public init(_ order: ReplayOrder, perSecond: Double? = nil) {
        self.order = order
        self.perSecond = perSecond
    }

    /// Replays what it can. One that the database fails at leaves the others alone; when the database is lost the run ends.
    ///
    /// - Parameter report: told what became of each, also of those that were not tried, as soon as it is known.
    /// - Returns: what the database was lost with, if it was.
    /// - Throws: what `report` throws, and a cancellation.
    @discardableResult public func run(
        _ plans: [ReplayPlan],
        on connection: Connection,
        report: (ReplayPlan, Result) throws -> Void
    ) async throws -> PostgresError? {
        var pace = perSecond.map { Pace(perSecond: $0, from: .now) }
        var rest = plans[...]
        var lost: PostgresError?
        while !rest.isEmpty {
            var count = min(Self.batchMax, rest.count)
            if let due = pace?.take(atMost: count, now: .now) {
                guard due > 0 else {
                    try await Task.sleep(until: pace?.next ?? .now, clock: .continuous)
                    continue
                }
                count = due
            }
            let batch = Array(rest.prefix(count))
            rest = rest.dropFirst(count)
            for (plan, outcome) in zip(batch, await outcomes(batch, on: connection)) {
                let result = Self.result(outcome, of: plan)
                if case .failure(let error) = outcome, result.isOfLoss { lost = lost ?? error }
                try report(plan, result)
            }
            if await !connection.isUsable {
                for plan in rest { try report(plan, .notTried) }
                break
            }
        }
        return lost
    }

    private static func result(_ outcome: Swift.Result<Int32, PostgresError>, of plan: ReplayPlan) -> Result {
        let error: PostgresError
        switch outcome {
        case .success(let generation): return .replayed(generation: generation)
        case .failure(let failure): error = failure
        }
        if let refusal = error.refusal { return .refused(refusal.message) }
        if error.isLockTimeout {
            return .failed(
                "somebody holds it, and \(lockWait) were not enough: replay it once more; \"embark doctor\" tells of"
                    + " transactions that stay open"
            )
        }
        switch error.kind {
        // What the server itself has stopped or refused is rolled back; what was not sent never was.
        case .server, .encoding, .invalidStatement, .invalidOptions: return .failed("\(error)")
        case .deadlineExceeded where error.sqlState != nil: return .failed("\(error)")
        case .closed, .unreachable: return .notTried
        case .connectionLost, .deadlineExceeded, .cancelled, .decoding:
            return .unknown("\(error); it may have been replayed: embark why \(plan.id)")
        }
    }

    private func outcomes(
        _ batch: [ReplayPlan],
        on connection: Connection
    ) async -> [Swift.Result<Int32, PostgresError>] {
        if order.mending.isEmpty {
            return await connection.each(batch.map { order.call($0, lockWait: Self.lockWait) }, deadline: .seconds(60))
                .map { outcome in
                    outcome.flatMap { rows in
                        rows.first.map { .success($0.value) }
                            ?? .failure(.decoding("the replay returned no generation"))
                    }
                }
        }
        // Two statements that belong together: one signup after the other.
        var outcomes: [Swift.Result<Int32, PostgresError>] = []
        for plan in batch {
            do throws(PostgresError) {
                outcomes.append(
                    .success(try await SignupStore.replay(plan, order, lockWait: Self.lockWait, on: connection))
                )
            } catch {
                outcomes.append(.failure(error))
            }
        }
        return outcomes
    }
}

/// An even rate, as times on a clock that only goes forward: what one batch takes does not delay the next.
struct Pace: Sendable {
    /// What a slow database has held up is made good for at most as long as this, lest a burst follow it.
    static let catchUp = Duration.seconds(1)

    /// When the next one is due.
    private(set) var next: ContinuousClock.Instant
    private let interval: Duration

    init(perSecond: Double, from start: ContinuousClock.Instant) {
        interval = .seconds(1 / perSecond)
        next = start
    }

    /// How many are due by now, and counts them as begun.
    mutating func take(atMost most: Int, now: ContinuousClock.Instant) -> Int {
        guard now >= next else { return 0 }
        next = max(next, now - Self.catchUp)
        let due = min(Double(most), ((now - next) / interval).rounded(.down) + 1)
        next += interval * Int(due)
        return Int(due)
    }
}
