/// The loops of one worker process: claim, run, settle, listen, tick.
import Logging
import Onboarding
import Postgres
import ServiceLifecycle
import Synchronization

/// Runs one step of a claimed job. In a worker that is `JobRunner`; the benchmark runs steps that do nothing.
typealias StepRun = @Sendable (inout ClaimedJob, Lease, ContinuousClock.Instant) async -> Settlement?

/// What bounds a worker process.
struct WorkerLimits: Sendable {
    var concurrency: Int
    var drainSeconds: Int = 30
    var retentionDays: Int = 90
    /// End when no job is left, retries included.
    var untilIdle = false

    /// A quarter more slots than the rest may fill: a code must never wait for a free one.
    var concurrencyWithCodes: Int { concurrency + max(1, concurrency / 4) }
}

final class WorkerRun: Sendable {
    let queue: JobQueue
    let limits: WorkerLimits
    let status: WorkerStatus
    let metrics: WorkerMetrics
    let board: ThrottleBoard
    /// Whether a token can be had without its code, where the customer's business is known.
    let canRecover: Bool
    let logger: Logger
    /// Asked for each step, and a logger makes a copy of its handler to answer.
    private let logLevel: Logger.Level
    /// Tells that a pause has begun, or was ended.
    static let throttleChannel = "embark_throttles"
    private let run: StepRun
    private let complaints: Complaints
    private let patience = Patience()
    private let results: Batcher<Settler.Result, Bool>
    private let leases: LeaseIDs
    /// Raised when there may be work: a notification, a due row that was left, a free slot while more is due.
    private let wake = Signal()
    private let held = HeldLeases()
    /// The last claim came back full, or nothing was claimed yet: a slot that becomes free has work.
    private let moreIsDue = Atomic<Bool>(true)
    private let isDraining = Atomic<Bool>(false)
    private let sleeps = Atomic<Bool>(false)

    init(
        queue: JobQueue,
        limits: WorkerLimits,
        status: WorkerStatus,
        metrics: WorkerMetrics,
        board: ThrottleBoard = ThrottleBoard(),
        canRecover: Bool = false,
        logger: Logger,
        complaints: Complaints? = nil,
        run: @escaping StepRun
    ) {
        self.queue = queue
        self.limits = limits
        self.status = status
        self.metrics = metrics
        self.board = board
        self.canRecover = canRecover
        self.logger = logger
        logLevel = logger.logLevel
        self.run = run
        leases = LeaseIDs(workerID: queue.workerID)
        self.complaints = complaints ?? Complaints(logger)
        let settler = Settler(queue: queue, logger: logger, complaints: self.complaints, patience: patience)
        results = Batcher(
            batchMax: Settler.batchMax,
            writers: JobQueue.connectionsMax,
            secondFrom: max(1, min(100, limits.concurrency / 4))
        ) {
            await settler.write($0)
        }
    }

    /// Works until it is told to end, or until nothing is left to do.
    func work(listener: Listener) async {
        await withTaskGroup(of: Void.self) { writing in
            writing.addTask { await self.results.run() }
            await withTaskGroup(of: Void.self) { services in
                services.addTask { await self.listen(listener) }
                services.addTask { await self.tick() }
                services.addTask { await self.watchCodes() }
                services.addTask { await self.watchPresence() }
                services.addTask { await self.cleanUp() }
                await withGracefulShutdownHandler {
                    await claimAndRun()
                } onGracefulShutdown: {
                    self.wake.raise()
                }
                services.cancelAll()
            }
            results.end()
        }
    }

    // MARK: Claiming

    /// Claims while there are free slots, runs each job as a child, and drains at the end.
    private func claimAndRun() async {
        await withDiscardingTaskGroup { jobs in
            var watermark = Watermark()
            while !Task.isShuttingDownGracefully, !Task.isCancelled {
                if await claimOnce(&watermark, &jobs) { continue }
                if limits.untilIdle, held.count == 0, await nothingIsLeft() { return }
                await wake.wait(atMost: isFullButForCodes ? Worker.codePollInterval : Worker.pollInterval)
            }
            await drain(&jobs)
        }
    }

    /// One look at the queue, the expiring codes first. Returns whether to look again at once.
    private func claimOnce(_ watermark: inout Watermark, _ jobs: inout DiscardingTaskGroup) async -> Bool {
        // A job that may be what ends its workers has the process for itself.
        if held.runsAlone {
            status.change { $0.lastClaim = .now }
            return false
        }
        let resting = board.restingSteps
        if resting.count == Step.allCases.count {
            // Everything rests. The loop lives, and says so.
            status.change { $0.lastClaim = .now }
            return false
        }
        do throws(PostgresError) {
            let codes = try await claim(lane: 0, slots: limits.concurrencyWithCodes, from: nil, without: resting, &jobs)
            let rest = try await claim(
                lane: 5,
                slots: limits.concurrency,
                from: watermark.next(),
                without: resting,
                &jobs
            ) {
                watermark.note($0, took: $1)
            }
            moreIsDue.store(codes != .short || rest != .short, ordering: .relaxed)
            if codes == .full || rest == .full { return true }
            if codes == .short || rest == .short, watermark.startsOver() { return true }
            guard rest == .short, !sleeps.load(ordering: .relaxed) else { return false }
            // Registered as a sleeper first, and then another look: what was enqueued in between is found.
            sleeps.store(true, ordering: .relaxed)
            try await queue.beat(sleeping: true, inFlight: held.count)
            return true
        } catch {
            status.change { $0.isDatabaseReachable = !error.isNoAnswer }
            complaints.tell("claim failed", error, level: .error)
            return false
        }
    }

    /// What a claim brought: `none` when no slot was free.
    private enum Claimed { case none, short, full }

    private func claim(
        lane: Int16,
        slots: Int,
        from watermark: Timestamp?,
        without resting: Set<Step>,
        _ jobs: inout DiscardingTaskGroup,
        note: ([ClaimRow], Duration) -> Void = { _, _ in }
    ) async throws(PostgresError) -> Claimed {
        let free = min(slots - held.count, Worker.claimMax)
        // The other lane's claim may have brought a job that runs alone.
        guard free > 0, !held.runsAlone else { return .none }
        let leaseID = leases.next()
        let asked = ContinuousClock.now
        let rows = try await queue.claim(
            lane: lane,
            limit: free,
            leaseID: leaseID,
            from: watermark,
            without: Array(resting)
        )
        status.change {
            $0.isDatabaseReachable = true
            $0.lastClaim = .now
        }
        note(rows, .now - asked)
        if rows.contains(where: \.runsAlone) {
            try await startAlone(rows, leaseID: leaseID, asked: asked, &jobs)
        } else {
            for row in rows { start(row, leaseID: leaseID, asked: asked, &jobs) }
        }
        return rows.count < free ? .short : .full
    }

    /// Among the rows is one that has interrupted several workers. It runs when nothing else does, and the rest of the claim
    /// goes back; while other jobs are in hands it goes back itself, and nothing more is claimed until they have ended.
    private func startAlone(
        _ rows: [ClaimRow],
        leaseID: Int64,
        asked: ContinuousClock.Instant,
        _ jobs: inout DiscardingTaskGroup
    ) async throws(PostgresError) {
        let suspects = rows.filter(\.runsAlone)
        let chosen = held.count == 0 ? suspects.first?.signupID : nil
        let others = rows.filter { chosen == nil ? $0.runsAlone : $0.signupID != chosen }
        held.runsAlone = true
        // Also when the giving back fails: the leases end by themselves, and the worker goes on.
        defer { held.endAloneIfEmpty() }
        if !others.isEmpty {
            try await queue.giveBack(
                others.map { Lease(signupID: $0.signupID, id: leaseID) },
                afterSeconds: chosen == nil ? 1 : 0,
                neverBegun: true
            )
        }
        let givenBack = Set(others.map(\.signupID))
        for row in rows where !givenBack.contains(row.signupID) { start(row, leaseID: leaseID, asked: asked, &jobs) }
    }

    private func nothingIsLeft() async -> Bool {
        do throws(PostgresError) {
            return try await !queue.hasJobs()
        } catch {
            complaints.tell("queue not asked", error, level: .error)
            return false
        }
    }

    /// All slots are taken but those that only a code may use: nobody notifies this worker, and what it has may last.
    private var isFullButForCodes: Bool { held.count >= limits.concurrency }

    // MARK: Running

    private func start(
        _ row: ClaimRow,
        leaseID: Int64,
        asked: ContinuousClock.Instant,
        _ jobs: inout DiscardingTaskGroup
    ) {
        FaultHook.reached(.claim, step: row.stepName)
        metrics.claimed(row)
        let lease = Lease(signupID: row.signupID, id: leaseID)
        held.insert(lease)
        status.change { $0.inFlight = held.count }
        jobs.addTask {
            let leftDue = await self.runSteps(of: row, lease, asked)
            if leftDue || self.moreIsDue.load(ordering: .relaxed) || self.held.count == 0 { self.wake.raise() }
        }
    }

    /// Runs a signup's steps as long as each settlement leases the next one to this worker. Returns whether a job was left
    /// that is due at once.
    private func runSteps(of row: ClaimRow, _ first: Lease, _ asked: ContinuousClock.Instant) async -> Bool {
        var lease = first
        var asked = asked
        defer {
            held.remove(lease)
            status.change { $0.inFlight = held.count }
        }
        guard var job = await runnable(row, lease, asked) else { return false }
        while true {
            guard var settlement = await run(&job, lease, asked) else { return false }
            FaultHook.reached(.settle, step: settlement.step)
            // Given back meanwhile, by a drain that could not wait: then only what cannot be had again is worth telling.
            guard held.contains(lease) || settlement.tellsFacts else { return false }
            let following = step(behind: settlement)
            if following != nil, goesOn {
                settlement.nextLease = Lease(signupID: lease.signupID, id: leases.next())
            }
            let settled = ContinuousClock.now
            let moved = await results.submit(
                Settler.Result(settlement: settlement, leaseEnd: asked + .seconds(job.leaseSeconds))
            )
            metrics.settled(settlement, moved: moved)
            log(settlement, moved: moved)
            guard moved, let following, let next = settlement.nextLease else { return moved && following != nil }
            held.replace(lease, by: next)
            lease = next
            asked = settled
            job.goOn(to: following, with: settlement)
            FaultHook.reached(.claim, step: following.rawValue)
        }
    }

    private func step(behind settlement: Settlement) -> Step? {
        guard case .step(let step) = settlement.next else { return nil }
        return step
    }

    /// Whether this worker keeps the signup for its next step: not where it is in a slot that codes need, and not where one
    /// job waits to have the process for itself.
    private var goesOn: Bool {
        !isDraining.load(ordering: .relaxed) && !held.runsAlone && held.count <= limits.concurrency
    }

    /// nil when the row cannot be run, or must not be run any more: then it is failed with its reason.
    private func runnable(_ row: ClaimRow, _ lease: Lease, _ asked: ContinuousClock.Instant) async -> ClaimedJob? {
        let problem: Problem
        switch row.job {
        case .success(let job) where row.interrupted < Interruptions.max: return job
        case .success: problem = Interruptions.problem
        case .failure(let poison): problem = poison.problem
        }
        logger.error(
            "job set aside",
            metadata: [
                "signup.id": "\(row.signupID)", "job.step": "\(StorableText.of(row.stepName))",
                "reason": "\(StorableText.of(problem.message))",
            ]
        )
        let settlement = Settlement(setAside: problem, row: row, lease: lease)
        let moved = await results.submit(Settler.Result(settlement: settlement, leaseEnd: asked + .seconds(60)))
        metrics.settled(settlement, moved: moved)
        return nil
    }

    private func log(_ settlement: Settlement, moved: Bool) {
        let level: Logger.Level = settlement.problem == nil ? .debug : .info
        // Millions of lines that nobody asked for would cost more than the steps.
        guard logLevel <= level else { return }
        var metadata: Logger.Metadata = [
            "signup.id": "\(settlement.lease.signupID)", "job.step": "\(settlement.step)",
            "job.attempt": "\(settlement.attempt)", "job.verdict": "\(moved ? settlement.recorded.rawValue : "stale")",
        ]
        if let problem = settlement.problem {
            metadata["error.code"] = "\(StorableText.of(problem.code))"
            metadata["error.message"] = "\(StorableText.of(problem.message))"
            if let fbtrace = problem.fbtraceID { metadata["graph.fbtrace_id"] = "\(StorableText.id(fbtrace))" }
        }
        logger.log(level: level, "step settled", metadata: metadata)
    }

    // MARK: Ending

    /// Lets what is in flight end within the drain limit and gives the rest back.
    private func drain(_ jobs: inout DiscardingTaskGroup) async {
        isDraining.store(true, ordering: .relaxed)
        moreIsDue.store(true, ordering: .relaxed)
        status.change { $0.isDraining = true }
        logger.info("draining", metadata: ["in_flight": "\(held.count)"])
        let end = ContinuousClock.now + .seconds(limits.drainSeconds)
        while held.count > 0, ContinuousClock.now < end, !Task.isCancelled {
            await wake.wait(atMost: min(.seconds(1), end - ContinuousClock.now))
        }
        let rest = held.removeAll()
        patience.end()
        guard !rest.isEmpty else { return }
        do throws(PostgresError) {
            // Before the calls are cancelled: what comes of them has no lease any more, and no attempt is charged.
            try await queue.giveBack(rest)
        } catch {
            complaints.tell("leases not given back, they end by themselves", error, level: .error)
        }
        jobs.cancelAll()
    }

    // MARK: Beside the jobs

    private func listen(_ listener: Listener) async {
        await listener.run { event in
            switch event {
            case .listening:
                await self.readThrottles()
                self.wake.raise()
            case .notification(Self.throttleChannel, _, _):
                await self.readThrottles()
                self.wake.raise()
            case .notification: self.wake.raise()
            case .disconnected(let error):
                self.complaints.tell("listening interrupted, polling goes on", error)
            }
        }
    }

    private func readThrottles() async {
        let asked = ContinuousClock.now
        do throws(PostgresError) {
            board.replace(by: try await queue.throttles(), asked: asked)
        } catch {
            // The tick reads them again.
            complaints.tell("pauses not read", error, level: .debug)
        }
    }

    /// Says that the worker lives, numbers outcomes, and reads what rests: each by itself, so that a fault of one does not stop
    /// the others.
    private func tick() async {
        await every(Worker.tickInterval) { () throws(PostgresError) in
            let inFlight = held.count
            // Whoever has no free slot need not be told of new jobs, and enqueuing is cheaper without.
            if inFlight >= limits.concurrency { sleeps.store(false, ordering: .relaxed) }
            await complaints.hear("beat") { () throws(PostgresError) in
                try await queue.beat(sleeping: sleeps.load(ordering: .relaxed), inFlight: inFlight)
            }
            await complaints.hear("pauses") { () throws(PostgresError) in try await tickPauses() }
            await complaints.hear("outcomes") { () throws(PostgresError) in try await queue.numberOutcomes() }
        }
    }

    private func tickPauses() async throws(PostgresError) {
        for throttle in board.untold {
            _ = try await queue.pause(throttle)
            board.told(throttle.scope)
        }
        let asked = ContinuousClock.now
        board.replace(by: try await queue.throttles(), asked: asked)
        // While everything rests nothing is claimed that would tell.
        status.change { $0.isDatabaseReachable = true }
        metrics.rests(board)
    }

    /// A dead code is an outcome within a second, whatever else goes on: its customer is waiting at the popup.
    private func watchCodes() async {
        await every(Worker.deadCodeInterval) { () throws(PostgresError) in
            await complaints.hear("dead codes") { () throws(PostgresError) in
                let dead = try await queue.failDeadCodes(canRecover: canRecover)
                guard dead > 0 else { return }
                metrics.codesDied(dead)
                logger.warning(
                    "codes died before they could be exchanged, their customers are asked",
                    metadata: ["signups": "\(dead)"]
                )
                // At once: the tick comes up to half a second later.
                try await queue.numberOutcomes()
            }
        }
    }

    /// Sets free what workers hold that are gone: seen to be absent for a while, for one look proves nothing. And once more
    /// a little later: a dead worker's last claim may have been committed after it.
    private func watchPresence() async {
        let absences = Mutex<[Int64: Absence]>([:])
        await every(Worker.presenceInterval) { () throws(PostgresError) in
            let absent = try await queue.absentWorkers()
            let gone = absences.withLock { absences -> Set<Int64> in
                absences = Dictionary(uniqueKeysWithValues: absent.map { ($0, absences[$0] ?? Absence()) })
                var gone: Set<Int64> = []
                for id in absent where absences[id]?.isReleaseDue() == true { gone.insert(id) }
                return gone
            }
            guard !gone.isEmpty else { return }
            let released = try await queue.release(absent: gone)
            guard released > 0 else { return }
            logger.warning(
                "jobs of absent workers released",
                metadata: ["jobs": "\(released)", "workers": "\(gone.sorted())"]
            )
            wake.raise()
        }
    }

    /// Since when a worker has been absent, and what was done about it.
    private struct Absence {
        private let since = ContinuousClock.now
        private var releases = 0

        /// Counts the release that it asks for.
        mutating func isReleaseDue() -> Bool {
            let due = [Worker.absenceMin, Worker.absenceMin + .seconds(2), Worker.absenceForgotten]
            guard releases < due.count, .now - since >= due[releases] else { return false }
            releases += 1
            return true
        }
    }

    /// Deletes history beyond the retention, a batch at a time, and counts the tokens that are about to end.
    private func cleanUp() async {
        await every(Worker.cleanUpInterval) { () throws(PostgresError) in
            var deleted = 0
            for _ in 0..<Worker.cleanUpRoundsMax {
                let batch = try await queue.deleteOldAttempts(days: limits.retentionDays, limit: Worker.cleanUpBatch)
                deleted += batch
                if batch < Worker.cleanUpBatch { break }
            }
            for _ in 0..<Worker.cleanUpRoundsMax {
                if try await queue.deleteOldThrottles(limit: Worker.cleanUpBatch) < Worker.cleanUpBatch { break }
            }
            metrics.endingTokens(try await queue.endingTokens())
            if deleted > 0 { logger.info("old attempts deleted", metadata: ["attempts": "\(deleted)"]) }
        }
    }

    private func every(_ interval: Duration, _ body: () async throws(PostgresError) -> Void) async {
        while !Task.isCancelled {
            do throws(PostgresError) {
                try await body()
            } catch {
                // The claim loop has said it, and this comes again.
                complaints.tell("housekeeping failed", error, level: .debug)
            }
            do {
                try await Task.sleep(for: interval)
            } catch {
                break
            }
        }
    }
}
