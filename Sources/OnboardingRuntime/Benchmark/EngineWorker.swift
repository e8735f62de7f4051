/// A worker whose steps do nothing: what it does in a second is what the queue can do.
import Foundation
public import Logging
import Onboarding
import Postgres
import Synchronization

public enum EngineWorker {
    /// One second of it, for progress and plots.
    public struct Sample: Codable, Sendable {
        public let seconds: Double
        /// Steps settled so far.
        public let steps: Int
        /// From a step's result to its settlement, of this second.
        public let p50: Double
        public let p99: Double
        public let cpuSeconds: Double
        public let residentBytes: Int
    }

    /// Settles until no job is left, or for so long.
    ///
    /// - Parameter report: called each second, and at the end.
    public static func run(
        database: DatabaseSettings,
        concurrency: Int,
        seconds: Double?,
        logger: Logger,
        report: @escaping @Sendable (Sample) -> Void
    ) async throws {
        var options = try database.connectionOptions(applicationName: "embark worker")
        options.sessionSettings = WorkerSettings.stablePlans
        let pool = Pool(options, size: JobQueue.connectionsMax)
        let rows = try await pool.run(Queries.registerWorker("benchmark", getpid(), Version.current, []))
        let id = rows.first?.id ?? 0
        let queue = JobQueue(pool: pool, workerID: id, host: "benchmark", processID: getpid())
        let counter = EngineCounter()
        let run = WorkerRun(
            queue: queue,
            // With a time of its own it waits for what is still to be enqueued.
            limits: WorkerLimits(concurrency: concurrency, untilIdle: seconds == nil),
            status: WorkerStatus(),
            metrics: WorkerMetrics(),
            logger: logger
        ) { job, lease, _ in
            counter.finish(job.step, job.signupID)
            return noOperation(job, lease)
        }
        let started = ContinuousClock.now
        @Sendable func sample() -> Sample {
            let usage = ProcessUsage(processID: getpid())
            return counter.sample(since: started, usage)
        }
        let direct = try database.connectionOptions(applicationName: "embark listen")
        let listener = Listener(direct, channels: ["embark_jobs"]) { connection throws(PostgresError) in
            _ = try await connection.run(Queries.takePresence(Int32(truncatingIfNeeded: id)))
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    do {
                        try await Task.sleep(for: .seconds(1))
                    } catch {
                        break
                    }
                    report(sample())
                }
            }
            if let seconds {
                group.addTask {
                    do {
                        try await Task.sleep(for: .seconds(seconds))
                    } catch {
                        return
                    }
                    counter.isOver.store(true, ordering: .relaxed)
                }
            }
            await withTaskGroup(of: Void.self) { work in
                work.addTask { await run.work(listener: listener) }
                if seconds != nil {
                    // The clock ends it: the process is done with its jobs, whatever they are.
                    while !counter.isOver.load(ordering: .relaxed) {
                        do {
                            try await Task.sleep(for: .milliseconds(20))
                        } catch {
                            break
                        }
                    }
                    work.cancelAll()
                } else {
                    await work.next()
                }
            }
            group.cancelAll()
        }
        report(sample())
        await pool.close()
    }

    /// Runs a worker in this process for as long as `body` does.
    static func with(
        _ url: String,
        concurrency: Int,
        logger: Logger,
        run: @escaping StepRun,
        while body: () async throws -> Void
    ) async throws {
        var options = try ConnectionOptions(url, applicationName: "embark worker")
        options.sessionSettings = WorkerSettings.stablePlans
        let pool = Pool(options, size: JobQueue.connectionsMax)
        let id =
            try await pool.run(Queries.registerWorker("benchmark", getpid(), Version.current, [])).first?.id ?? 0
        let queue = JobQueue(pool: pool, workerID: id, host: "benchmark", processID: getpid())
        let worker = WorkerRun(
            queue: queue,
            limits: WorkerLimits(concurrency: concurrency, drainSeconds: 1),
            status: WorkerStatus(),
            metrics: WorkerMetrics(),
            logger: logger,
            run: run
        )
        let listener = Listener(
            try ConnectionOptions(url, applicationName: "embark listen"),
            channels: ["embark_jobs"]
        )
        let outcome = await withTaskGroup(of: Void.self) { group in
            group.addTask { await worker.work(listener: listener) }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body())
            } catch {
                outcome = .failure(error)
            }
            group.cancelAll()
            return outcome
        }
        await pool.close()
        try outcome.get()
    }

    /// The result of a step that did nothing and succeeded.
    static func noOperation(_ job: ClaimedJob, _ lease: Lease) -> Settlement {
        Settlement(
            lease: lease,
            job: job,
            seconds: 0.05,
            transition: Transition(
                Transition.Job(step: job.step, attempt: job.attempt),
                plan: job.signup.plan,
                verdict: .done(Facts()),
                jitter: 0
            ),
            sealedToken: nil
        )
    }
}

/// Counts steps, and the time from one step's end to the next step's beginning: the engine's own share.
private final class EngineCounter: Sendable {
    private struct State {
        var steps = 0
        var began: [Int64: ContinuousClock.Instant] = [:]
        var histogram = LatencyHistogram()
    }

    private let state = Mutex(State())
    let isOver = Atomic<Bool>(false)
    /// Of one signup in so many the time is taken.
    private static let sampled: Int64 = 32

    func finish(_ step: Step, _ signupID: Int64) {
        state.withLock { state in
            state.steps += 1
            guard signupID.isMultiple(of: Self.sampled) else { return }
            let now = ContinuousClock.now
            if let before = state.began[signupID] { state.histogram.record((now - before) / .seconds(1)) }
            state.began[signupID] = step == .registerPhone ? nil : now
        }
    }

    func sample(since start: ContinuousClock.Instant, _ usage: ProcessUsage?) -> EngineWorker.Sample {
        state.withLock { state in
            defer { state.histogram = LatencyHistogram() }
            return EngineWorker.Sample(
                seconds: (.now - start) / .seconds(1),
                steps: state.steps,
                p50: state.histogram.percentile(0.5),
                p99: state.histogram.percentile(0.99),
                cpuSeconds: usage?.cpuSeconds ?? 0,
                residentBytes: usage?.peakResidentBytes ?? 0
            )
        }
    }
}
