/// Writes batches of results, and does not give one up before its lease has ended.
import Logging
import Onboarding
import Postgres

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

    /// For each result whether it moved its job.
    func write(_ results: [Result]) async -> [Bool] {
        let late = await settle(results)
        guard !late.isEmpty else { return Array(repeating: true, count: results.count) }
        await record(late)
        let lost = Set(late.map(\.settlement.lease))
        return results.map { !lost.contains($0.settlement.lease) }
    }

    /// A result that could not be written is tried again until its lease ends: then another worker has the job.
    ///
    /// Returns those that moved nothing.
    private func settle(_ results: [Result]) async -> [Result] {
        var rest = results
        var pause = Duration.milliseconds(20)
        var isUncertain = false
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
                logger.error(
                    "results not written yet",
                    metadata: ["error": "\(error)", "results": "\(rest.count)"]
                )
                // Nothing can be written any more: the leases end by themselves.
                if Task.isCancelled { break }
            }
            let now = ContinuousClock.now
            if isUncertain, rest.allSatisfy({ $0.leaseEnd <= now }) {
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
            logger.error("results of unknown fate, recorded as stale", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// They move nothing, but a token, an allocation's or a message's id cannot be had again.
    private func record(_ late: [Result]) async {
        for settlement in late.map(\.settlement) {
            logger.warning(
                "stale result, another worker has the job",
                metadata: ["signup.id": "\(settlement.lease.signupID)", "job.step": "\(settlement.step)"]
            )
        }
        var pause = Duration.milliseconds(50)
        for attempt in 1...Self.lateTriesMax {
            do throws(PostgresError) {
                try await queue.recordLate(late)
                return
            } catch {
                let level: Logger.Level = attempt == Self.lateTriesMax ? .error : .warning
                logger.log(level: level, "late results not recorded", metadata: ["error": "\(error)"])
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                // Cancelled: the tries that are left follow at once.
            }
            pause = min(pause * 2, .seconds(2))
        }
    }
}
