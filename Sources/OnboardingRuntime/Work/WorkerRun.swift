/// The loops of one worker process: claim, run, settle, listen, tick.
import Logging
import Onboarding
import Postgres
import ServiceLifecycle
import Synchronization

struct WorkerRun: Sendable {
    let queue: JobQueue
    let settler: Settler
    let runner: JobRunner
    let settings: WorkerSettings
    let untilIdle: Bool
    let status: WorkerStatus
    let logger: Logger
    /// Raised when there may be work: a notification, a settled step, a free slot.
    private let wake = Signal()
    private let held = HeldLeases()

    init(
        queue: JobQueue,
        settler: Settler,
        runner: JobRunner,
        settings: WorkerSettings,
        untilIdle: Bool,
        status: WorkerStatus,
        logger: Logger
    ) {
        self.queue = queue
        self.settler = settler
        self.runner = runner
        self.settings = settings
        self.untilIdle = untilIdle
        self.status = status
        self.logger = logger
    }

    /// Works until it is told to end, or until nothing is left to do.
    func work(listener: Listener) async {
        await withTaskGroup(of: Void.self) { services in
            services.addTask { await settler.run() }
            services.addTask { await listen(listener) }
            services.addTask { await tick() }
            await withGracefulShutdownHandler {
                await claimAndRun()
            } onGracefulShutdown: {
                wake.raise()
            }
            services.cancelAll()
        }
    }

    /// Claims while there are free slots, runs each job as a child, and drains at the end.
    private func claimAndRun() async {
        await withTaskGroup(of: Void.self) { jobs in
            var leaseNumber: Int64 = 0
            while !Task.isShuttingDownGracefully, !Task.isCancelled {
                leaseNumber += 1
                let claimed = await claimOnce(leaseNumber: leaseNumber, &jobs)
                if claimed > 0 { continue }
                if untilIdle, held.count == 0, await nothingIsLeft() { return }
                await wake.wait(atMost: Worker.pollInterval)
            }
            await drain(&jobs)
        }
    }

    /// One look at the queue, the expiring codes first. Returns how many jobs it started.
    private func claimOnce(leaseNumber: Int64, _ jobs: inout TaskGroup<Void>) async -> Int {
        // A quarter more slots than the rest may fill: a code must never wait for a free one.
        let extra = max(1, settings.concurrency / 4)
        let leaseID = queue.workerID << 32 | leaseNumber
        var started = 0
        for (lane, slots) in [(Int16(0), settings.concurrency + extra), (5, settings.concurrency)] {
            let free = min(slots - held.count, Worker.claimMax)
            guard free > 0 else { continue }
            let asked = ContinuousClock.now
            do throws(PostgresError) {
                let rows = try await queue.claim(lane: lane, limit: free, leaseID: leaseID)
                status.change {
                    $0.isDatabaseReachable = true
                    $0.lastClaim = .now
                }
                for row in rows {
                    FaultHook.reached(.claim, step: row.stepName)
                    start(row, leaseID: leaseID, asked: asked, &jobs)
                }
                started += rows.count
            } catch {
                status.change { $0.isDatabaseReachable = !error.isConnectionLoss }
                logger.error("claim failed", metadata: ["error": "\(error)"])
                return started
            }
        }
        return started
    }

    private func start(
        _ row: ClaimRow,
        leaseID: Int64,
        asked: ContinuousClock.Instant,
        _ jobs: inout TaskGroup<Void>
    ) {
        let lease = Lease(signupID: row.signupID, id: leaseID)
        held.insert(lease)
        status.change { $0.inFlight = held.count }
        jobs.addTask {
            await run(row, lease: lease, asked: asked)
            held.remove(lease)
            status.change { $0.inFlight = held.count }
            wake.raise()
        }
    }

    private func run(_ row: ClaimRow, lease: Lease, asked: ContinuousClock.Instant) async {
        let settlement: Settlement?
        var leaseSeconds = 60.0
        switch row.job {
        case .success(let job):
            leaseSeconds = job.leaseSeconds
            settlement = await runner.run(job, lease: lease, claimed: asked)
        case .failure(let poison):
            logger.error(
                "row set aside",
                metadata: ["signup.id": "\(row.signupID)", "job.step": "\(row.stepName)", "reason": "\(poison.reason)"]
            )
            settlement = Settlement(poison: poison, lease: lease, step: row.stepName, attempt: row.attempt)
        }
        guard let settlement else { return }
        FaultHook.reached(.settle, step: row.stepName)
        let moved = await settler.settle(settlement, leaseEnd: asked + .seconds(leaseSeconds))
        log(settlement, moved: moved)
    }

    private func log(_ settlement: Settlement, moved: Bool) {
        var metadata: Logger.Metadata = [
            "signup.id": "\(settlement.lease.signupID)", "job.step": "\(settlement.step)",
            "job.attempt": "\(settlement.attempt)", "job.verdict": "\(moved ? settlement.verdict : "stale")",
        ]
        if let problem = settlement.problem {
            metadata["error.code"] = "\(StorableText.of(problem.code))"
            metadata["error.message"] = "\(StorableText.of(problem.message))"
            if let fbtrace = problem.fbtraceID { metadata["graph.fbtrace_id"] = "\(StorableText.of(fbtrace))" }
        }
        logger.log(level: settlement.problem == nil ? .debug : .info, "step settled", metadata: metadata)
    }

    /// Lets what is in flight end within the drain limit and gives the rest back.
    private func drain(_ jobs: inout TaskGroup<Void>) async {
        status.change { $0.isDraining = true }
        logger.info("draining", metadata: ["in_flight": "\(held.count)"])
        let end = ContinuousClock.now + .seconds(settings.drainSeconds)
        while held.count > 0, ContinuousClock.now < end, !Task.isCancelled {
            await wake.wait(atMost: min(.seconds(1), end - ContinuousClock.now))
        }
        let rest = held.all
        guard !rest.isEmpty else { return }
        jobs.cancelAll()
        do throws(PostgresError) {
            try await queue.giveBack(rest)
        } catch {
            logger.error("leases not given back, they end by themselves", metadata: ["error": "\(error)"])
        }
    }

    private func listen(_ listener: Listener) async {
        await listener.run { event in
            switch event {
            case .listening, .notification: wake.raise()
            case .disconnected(let error):
                logger.warning("listening interrupted, polling goes on", metadata: ["error": "\(error)"])
            }
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            do throws(PostgresError) {
                try await queue.numberOutcomes()
                try await queue.beat(sleeping: true, inFlight: held.count)
            } catch {
                logger.debug("tick failed", metadata: ["error": "\(error)"])
            }
            do {
                try await Task.sleep(for: Worker.tickInterval)
            } catch {
                break
            }
        }
    }

    private func nothingIsLeft() async -> Bool {
        do throws(PostgresError) {
            return try await queue.nextDue() == nil
        } catch {
            logger.error("queue not asked", metadata: ["error": "\(error)"])
            return false
        }
    }
}

/// The leases in this process's hands.
final class HeldLeases: Sendable {
    private let leases = Mutex<Set<Lease>>([])

    var count: Int { leases.withLock(\.count) }
    var all: [Lease] { leases.withLock { Array($0) } }
    func insert(_ lease: Lease) { leases.withLock { _ = $0.insert(lease) } }
    func remove(_ lease: Lease) { leases.withLock { _ = $0.remove(lease) } }
}
