/// A worker process: waits for work, claims it, runs it, and lets go in order when it is told to end.
import AsyncHTTPClient
public import Logging
import Onboarding
import Postgres
public import ServiceLifecycle
import Synchronization

public struct Worker: Service {
    /// How often a worker looks without having been told; a lost notification costs at most this.
    static let pollInterval = Duration.milliseconds(250)
    /// How often outcomes are numbered and the worker's row is written.
    static let tickInterval = Duration.milliseconds(500)
    /// Jobs in one claim.
    static let claimMax = 500

    private let settings: WorkerSettings
    private let untilIdle: Bool
    private let logger: Logger
    public let status = WorkerStatus()

    /// - Parameter untilIdle: end when no job is left, retries included.
    public init(settings: WorkerSettings, untilIdle: Bool, logger: Logger) {
        self.settings = settings
        self.untilIdle = untilIdle
        self.logger = logger
    }

    public func run() async throws {
        let options = try settings.database.connectionOptions(applicationName: "embark worker")
        let claims = Pool(options, size: 1)
        let settles = Pool(options, size: 1)
        guard let start = try await Startup(settings: settings, logger: logger).prepare(on: claims) else { return }
        let queue = JobQueue(claims: claims, settles: settles, workerID: start.workerID)
        let http = GraphClient.makeHTTPClient(connectionsMax: settings.concurrency + settings.concurrency / 4 + 1)
        var logger = logger
        logger[metadataKey: "worker.id"] = "\(start.workerID)"
        let run = WorkerRun(
            queue: queue,
            settler: Settler(queue: queue, logger: logger),
            runner: JobRunner(
                queue: queue,
                client: GraphClient(http: http, settings: settings.graph),
                keys: settings.keys,
                installation: start.installation,
                appSecret: settings.appSecret,
                systemToken: settings.systemToken,
                logger: logger
            ),
            settings: settings,
            untilIdle: untilIdle,
            status: status,
            logger: logger
        )
        logger.info(
            "worker started",
            metadata: ["version": "\(Version.current)", "concurrency": "\(settings.concurrency)"]
        )
        await run.work(listener: start.listener)
        do {
            // What ended last is numbered, too.
            try await queue.numberOutcomes()
            try await queue.retire()
        } catch {
            logger.warning("worker row left behind", metadata: ["error": "\(error)"])
        }
        await claims.close()
        await settles.close()
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
