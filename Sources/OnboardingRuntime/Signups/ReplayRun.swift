/// Replays many signups, each in a transaction of its own, at an even pace if one is given.
public import Postgres

public struct ReplayRun: Sendable {
    public enum Result: Sendable, Equatable {
        case replayed(generation: Int32)
        /// Why, and what would work.
        case refused(String)
    }

    /// Replays in one exchange with the database: one that is slow or lost costs no more than this.
    private static let batchMax = 100

    let order: ReplayOrder
    let perSecond: Double?

    /// - Parameter perSecond: how many signups at most are replayed in a second; nil for as fast as it goes.
    public init(_ order: ReplayOrder, perSecond: Double? = nil) {
        self.order = order
        self.perSecond = perSecond
    }

    /// - Parameter report: told what became of each, as soon as it is known.
    /// - Throws: what is no refusal, after what is known has been reported. The rest of the batch may be replayed or not.
    public func run(
        _ plans: [ReplayPlan],
        on connection: Connection,
        report: (ReplayPlan, Result) throws -> Void
    ) async throws {
        var pace = perSecond.map { Pace(perSecond: $0, from: .now) }
        var rest = plans[...]
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
            var failure: PostgresError?
            for (plan, outcome) in zip(batch, await outcomes(batch, on: connection)) {
                switch outcome {
                case .success(let generation): try report(plan, .replayed(generation: generation))
                case .failure(let error):
                    guard let refusal = error.refusal else {
                        failure = failure ?? error
                        continue
                    }
                    try report(plan, .refused(refusal.message))
                }
            }
            if let failure { throw failure }
        }
    }

    private func outcomes(
        _ batch: [ReplayPlan],
        on connection: Connection
    ) async -> [Swift.Result<Int32, PostgresError>] {
        if order.mending.isEmpty {
            return await connection.each(batch.map(order.call), deadline: .seconds(60)).map { outcome in
                outcome.flatMap { rows in
                    rows.first.map { .success($0.value) } ?? .failure(.decoding("the replay returned no generation"))
                }
            }
        }
        // Two statements that belong together: one signup after the other.
        var outcomes: [Swift.Result<Int32, PostgresError>] = []
        for plan in batch {
            do throws(PostgresError) {
                outcomes.append(.success(try await SignupStore.replay(plan, order, on: connection)))
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
