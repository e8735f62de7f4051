/// A worker process: waits for work, claims it, runs it, and lets go in order when it is told to end.
import AsyncHTTPClient
import Foundation
public import Logging
import Onboarding
import Postgres
public import ServiceLifecycle
import Synchronization

public struct Worker: Service {
    /// How often a worker looks without having been told; a lost notification costs at most this.
    static let pollInterval = Duration.milliseconds(250)
    /// The same while all slots but the codes' are taken: 30 seconds must not begin with a wait for some other call's end.
    static let codePollInterval = Duration.milliseconds(10)
    /// How often outcomes are numbered and the worker's row is written.
    static let tickInterval = Duration.milliseconds(500)
    /// Between two looks for codes that have died. With a tick, which numbers what another process was numbering just then, it
    /// leaves a quarter of the second within which a dead code is an outcome.
    static let deadCodeInterval = Duration.milliseconds(250)
    /// Between two looks for workers that are gone, and how long one has to be absent at every look: what it had not sent is
    /// due again within a second.
    static let presenceInterval = Duration.milliseconds(150)
    static let absenceMin = Duration.milliseconds(300)
    /// By then its row is deleted, if it has not come back.
    static let absenceForgotten = Duration.seconds(65)
    static let cleanUpInterval = Duration.seconds(60)
    /// Attempts deleted in one statement, and statements in one round.
    static let cleanUpBatch = 5_000
    static let cleanUpRoundsMax = 20
    /// Jobs in one claim.
    static let claimMax = 500

    private let settings: WorkerSettings
    private let untilIdle: Bool
    private let logger: Logger
    public let status = WorkerStatus()
    let metrics = WorkerMetrics()

    /// - Parameter untilIdle: end when no job is left, retries included.
    public init(settings: WorkerSettings, untilIdle: Bool, logger: Logger) {
        self.settings = settings
        self.untilIdle = untilIdle
        self.logger = logger
    }

    public func run() async throws {
        let pool = Pool(try settings.workerConnectionOptions(), size: JobQueue.connectionsMax)
        guard let start = try await Startup(settings: settings, logger: logger).prepare(on: pool) else { return }
        let queue = JobQueue(
            pool: pool,
            workerID: start.workerID,
            host: ProcessInfo.processInfo.hostName,
            processID: getpid(),
            keyIDs: settings.keys.keyIDs
        )
        let http = GraphClient.Pools(
            connectionsMax: settings.concurrency + settings.concurrency / 4 + 1,
            authorities: settings.graph.authorities
        )
        var logger = logger
        logger[metadataKey: "worker.id"] = "\(start.workerID)"
        let complaints = Complaints(logger)
        let marks = SentMarks.batcher(queue)
        let board = ThrottleBoard()
        board.replace(by: start.throttles)
        let runner = JobRunner(
            queue: queue,
            marks: marks,
            client: GraphClient(http: http, settings: settings.graph),
            keys: settings.keys,
            installation: start.installation,
            appSecret: settings.appSecret,
            systemToken: settings.systemToken,
            logger: logger,
            metrics: metrics,
            board: board,
            complaints: complaints,
            clock: start.clock
        )
        let run = WorkerRun(
            queue: queue,
            limits: WorkerLimits(
                concurrency: settings.concurrency,
                drainSeconds: settings.drainSeconds,
                retentionDays: settings.retentionDays,
                untilIdle: untilIdle
            ),
            status: status,
            metrics: metrics,
            board: board,
            canRecover: settings.systemToken != nil,
            logger: logger,
            complaints: complaints
        ) { await runner.run(&$0, lease: $1, claimed: $2) }
        logger.info(
            "worker started",
            metadata: ["version": "\(Version.current)", "concurrency": "\(settings.concurrency)"]
        )
        await withTaskGroup(of: Void.self) { marking in
            marking.addTask { await marks.run() }
            await run.work(listener: start.listener)
            marks.end()
        }
        do throws(PostgresError) {
            // What ended last is numbered, too.
            try await queue.numberOutcomes()
            try await queue.retire()
        } catch {
            complaints.tell("worker row left behind", error)
        }
        await pool.close()
        try await http.shutdown()
        logger.info("worker ended")
    }
}

/// What a health endpoint may ask of a worker.
public final class WorkerStatus: Sendable {
    struct State {
        var isDraining = false
        var isDatabaseReachable = false
        var lastClaim: ContinuousClock.Instant?
        var inFlight = 0
    }

    private let state = Mutex(State())

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// The three things that readiness needs, each with what it found.
    public var readiness: [(name: String, isReady: Bool)] {
        state.withLock { state in
            let claimed = state.lastClaim.map { ContinuousClock.now - $0 < .seconds(10) } ?? false
            return [
                ("database reachable", state.isDatabaseReachable), ("claim loop ticked within 10 s", claimed),
                ("not draining", !state.isDraining),
            ]
        }
    }

    public var inFlight: Int { state.withLock { $0.inFlight } }
}
