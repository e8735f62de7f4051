/// Writes batches of results, and does not give one up before its lease has ended.
import Logging
import Onboarding
import Postgres

struct Settler: Sendable {
    /// Jobs in one statement.
    static let batchMax = 500
    /// Tries to keep what late results have told.
    static let lateTriesMax = 8

    struct Result: Sendable {
        let settlement: Settlement
        let leaseEnd: ContinuousClock.Instant
    }

    let queue: JobQueue
    let logger: Logger

    /// For each result whether it moved its job.
    func write(_ results: [Result]) async -> [Bool] {
        let moved = await settle(results)
        let late = results.filter { !moved.contains($0.settlement.lease) }.map(\.settlement)
        if !late.isEmpty { await record(late) }
        return results.map { moved.contains($0.settlement.lease) }
    }

    /// A result that could not be written is tried again until its lease ends: then another worker has the job.
    private func settle(_ results: [Result]) async -> Set<Lease> {
        var moved: Set<Lease> = []
        var rest = results
        var pause = Duration.milliseconds(20)
        var isUncertain = false
        while !rest.isEmpty {
            do throws(PostgresError) {
                if isUncertain {
                    // The lost answer may have been that of a commit.
                    let settled = try await queue.settled(of: rest.map(\.settlement))
                    moved.formUnion(settled)
                    rest.removeAll { settled.contains($0.settlement.lease) }
                    isUncertain = false
                    if rest.isEmpty { break }
                }
                moved.formUnion(try await queue.settle(rest.map(\.settlement)))
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
                moved.formUnion(await committed(of: rest))
                break
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                // Cancelled: one more try, and then no more.
            }
            pause = min(pause * 2, .seconds(1))
        }
        return moved
    }

    /// Those whose commit had been lost with its answer.
    private func committed(of results: [Result]) async -> Set<Lease> {
        do throws(PostgresError) {
            return try await queue.settled(of: results.map(\.settlement))
        } catch {
            logger.error("results of unknown fate, recorded as stale", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// They move nothing, but a token, an allocation's or a message's id cannot be had again.
    private func record(_ late: [Settlement]) async {
        for settlement in late {
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
