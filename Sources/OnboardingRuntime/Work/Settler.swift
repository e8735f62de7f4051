/// Writes batches of results, and does not give one up before its lease has ended, nor while the database takes none.
import Logging
import Onboarding
import Postgres
import Synchronization

/// For how long results are worth waiting: until the process has to end.
final class Patience: Sendable {
    private let over = Atomic<Bool>(false)

    var isOver: Bool { over.load(ordering: .acquiring) || Task.isCancelled }

    func end() { over.store(true, ordering: .releasing) }
}

struct Settler: Sendable {
    /// Jobs in one statement.
    static let batchMax = 500
    /// Tries to keep what late results have told.
    static let lateTriesMax = 8

    /// A class, because a settlement is large: a batch is handed on from place to place without moving it.
    final class Result: Sendable {
        let settlement: Settlement
        let leaseEnd: ContinuousClock.Instant

        init(settlement: Settlement, leaseEnd: ContinuousClock.Instant) {
            self.settlement = settlement
            self.leaseEnd = leaseEnd
        }
    }

    let queue: JobQueue
    let logger: Logger
    let complaints: Complaints
    let patience: Patience

    init(queue: JobQueue, logger: Logger, complaints: Complaints? = nil, patience: Patience = Patience()) {
        self.queue = queue
        self.logger = logger
        self.complaints = complaints ?? Complaints(logger)
        self.patience = patience
    }

    /// For each result whether it moved its job.
    func write(_ results: [Result]) async -> [Bool] {
        let late = await settle(results)
        guard !late.isEmpty else { return Array(repeating: true, count: results.count) }
        await record(late)
        let lost = Set(late.map(\.settlement.lease))
        return results.map { !lost.contains($0.settlement.lease) }
    }

    /// A result that could not be written is tried again until its lease ends: then another worker has the job. Not so while
    /// the database is away or full: nobody can claim it then, and a token is worth waiting for.
    ///
    /// Returns those that moved nothing.
    private func settle(_ results: [Result]) async -> [Result] {
        var rest = results
        var pause = Duration.milliseconds(20)
        var isUncertain = false
        var isOutage = false
        while !rest.isEmpty {
            do throws(PostgresError) {
                if isUncertain {
                    // The lost answer may have been that of a commit.
                    let settled = try await queue.settled(of: rest)
                    rest.removeAll { settled.contains($0.settlement.lease) }
                    isUncertain = false
                    if rest.isEmpty { break }
                }
                let moved = try await queue.settle(rest)
                // As a rule all of them, which needs no look at each.
                if moved.count == rest.count { return [] }
                let leases = Set(moved)
                rest.removeAll { leases.contains($0.settlement.lease) }
                break
            } catch {
                isUncertain = true
                isOutage = error.isOutage
                complaints.tell("results not written yet", error, level: .error, ["results": "\(rest.count)"])
                // Nothing can be written any more: the leases end by themselves.
                if patience.isOver { break }
            }
            let now = ContinuousClock.now
            if isUncertain, !isOutage, rest.allSatisfy({ $0.leaseEnd <= now }) {
                // One look at what was committed, or results that moved their jobs would be recorded as stale.
                let settled = await committed(of: rest)
                rest.removeAll { settled.contains($0.settlement.lease) }
                break
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                // Cancelled: one more try, and then no more.
            }
            pause = min(pause * 2, .seconds(1))
        }
        return rest
    }

    /// Those whose commit had been lost with its answer.
    private func committed(of results: [Result]) async -> Set<Lease> {
        do throws(PostgresError) {
            return try await queue.settled(of: results)
        } catch {
            complaints.tell("results of unknown fate, recorded as stale", error, level: .error)
            return []
        }
    }

    /// They move nothing, but a token, an allocation's or a message's id cannot be had again.
    private func record(_ late: [Result]) async {
        var pause = Duration.milliseconds(50)
        var tries = 0
        while true {
            do throws(PostgresError) {
                try await queue.recordLate(late)
                for settlement in late.map(\.settlement) {
                    logger.warning(
                        "stale result, another worker has the job",
                        metadata: ["signup.id": "\(settlement.lease.signupID)", "job.step": "\(settlement.step)"]
                    )
                }
                return
            } catch {
                tries += error.isOutage ? 0 : 1
                guard tries < Self.lateTriesMax, !patience.isOver else {
                    let signups = late.map { "\($0.settlement.lease.signupID) \($0.settlement.step)" }.joined(
                        separator: ", "
                    )
                    complaints.tell("late results not recorded", error, level: .error, ["signups": "\(signups)"])
                    return
                }
                complaints.tell("late results not recorded yet", error)
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                // Cancelled: one more try.
            }
            pause = min(pause * 2, .seconds(2))
        }
    }
}
