/// Writes results in batches that grow with the load by themselves: what comes while one statement runs goes with the next.
import Logging
import Onboarding
import Postgres

actor Settler {
    /// Jobs in one statement.
    static let batchMax = 500

    private let queue: JobQueue
    private let logger: Logger
    private var waiting: [Entry] = []
    private let signal = Signal()

    private struct Entry {
        let settlement: Settlement
        let leaseEnd: ContinuousClock.Instant
        let done: CheckedContinuation<Bool, Never>
    }

    init(queue: JobQueue, logger: Logger) {
        self.queue = queue
        self.logger = logger
    }

    /// Returns when the result is written, true if it moved the job; or when the lease has ended before it could be.
    func settle(_ settlement: Settlement, leaseEnd: ContinuousClock.Instant) async -> Bool {
        await withCheckedContinuation { done in
            waiting.append(Entry(settlement: settlement, leaseEnd: leaseEnd, done: done))
            signal.raise()
        }
    }

    /// Writes until it is cancelled and nothing is left to write.
    func run() async {
        while true {
            await signal.wait(atMost: .seconds(60))
            await drain()
            if Task.isCancelled { return }
        }
    }

    private func drain() async {
        while !waiting.isEmpty {
            // One row a signup and statement.
            var batch: [Entry] = []
            var later: [Entry] = []
            var signups: Set<Int64> = []
            for entry in waiting {
                if batch.count < Self.batchMax, signups.insert(entry.settlement.lease.signupID).inserted {
                    batch.append(entry)
                } else {
                    later.append(entry)
                }
            }
            waiting = later
            await write(batch)
        }
    }

    /// A result that could not be written is tried again until its lease ends: then another worker has the job.
    private func write(_ batch: [Entry]) async {
        var batch = batch
        var pause = Duration.milliseconds(20)
        while !batch.isEmpty {
            do throws(PostgresError) {
                let moved = try await queue.settle(batch.map(\.settlement))
                for entry in batch { finish(entry, moved: moved.contains(entry.settlement.lease.signupID)) }
                return
            } catch {
                logger.error(
                    "results not written yet",
                    metadata: ["error": "\(error)", "results": "\(batch.count)"]
                )
            }
            let now = ContinuousClock.now
            for entry in batch where entry.leaseEnd <= now {
                logger.error(
                    "result lost with its lease, the job will run again",
                    metadata: [
                        "signup.id": "\(entry.settlement.lease.signupID)", "job.step": "\(entry.settlement.step)",
                    ]
                )
                entry.done.resume(returning: false)
            }
            batch.removeAll { $0.leaseEnd <= now }
            do {
                try await Task.sleep(for: pause)
            } catch {
                // Cancelled: the leases go on, and the loop ends with them.
            }
            pause = min(pause * 2, .seconds(1))
        }
    }

    private func finish(_ entry: Entry, moved: Bool) {
        if !moved {
            logger.warning(
                "stale result, another worker has the job",
                metadata: ["signup.id": "\(entry.settlement.lease.signupID)", "job.step": "\(entry.settlement.step)"]
            )
        }
        entry.done.resume(returning: moved)
    }
}
