/// Measures Embark's speed, each figure against what the same machine can do in the same minute.
import AsyncHTTPClient
import Foundation
public import Logging
import NIOCore
import NIOHTTP1
import Onboarding
import Postgres
import Synchronization

/// How `embark benchmark` starts a process and talks to it; the command line has the means.
public protocol BenchmarkProcesses: Sendable {
    /// Runs `embark` with these arguments until it ends, and returns what it printed; `line` gets each line at once.
    func run(
        _ arguments: [String],
        environment: [String: String],
        line: @escaping @Sendable (String) -> Void
    ) async throws -> (output: String, cpuSeconds: Double, peakResidentBytes: Int)
    /// Runs another program until it ends.
    func program(_ name: String, _ arguments: [String], input: String) async throws -> String
    /// Runs `embark` for as long as `body` does, which gets its first line.
    func with<Value: Sendable>(
        _ arguments: [String],
        environment: [String: String],
        _ body: @Sendable (String, Int32) async throws -> Value
    ) async throws -> Value
}

public struct Benchmark: Sendable {
    public enum Measure: String, Sendable, CaseIterable {
        case engine, chain, pickup, backlog, snapshot, enqueue, process
    }

    /// How large everything is.
    public struct Scale: Sendable {
        var signups = 100_000
        var rounds = 3
        var pgbenchSeconds = 8
        var chains = 1_000
        var chainConcurrencies = [200, 500, 1_000]
        var pickups = 300
        var waiting = 1_000_000
        var heldSeconds = 60.0
        var calmSeconds = 15.0
        /// Signups enqueued in a second while a snapshot is held, of five steps each.
        var offered = 400
        var enqueued = 10_000
        var copied = 100_000

        public init() {}

        /// Whether it works, not how fast.
        public static let short: Scale = {
            var scale = Scale()
            scale.signups = 400
            scale.rounds = 1
            scale.pgbenchSeconds = 1
            scale.chains = 20
            scale.chainConcurrencies = [10]
            scale.pickups = 5
            scale.waiting = 2_000
            scale.heldSeconds = 2
            scale.calmSeconds = 1
            scale.offered = 40
            scale.enqueued = 200
            scale.copied = 500
            return scale
        }()
    }

    /// The plan of a chain without calls: a solution partner's, behind its exchange.
    static let enginePlan: [Step] = [
        .verifyGrant, .subscribeApp, .assignSystemUser, .shareCreditLine, .registerPhone,
    ]

    let database: BenchmarkDatabase
    let processes: any BenchmarkProcesses
    let scale: Scale
    let logger: Logger
    /// What is being done, and how much of it all is done, 0 to 1.
    let progress: @Sendable (String, Double) -> Void

    public init(
        database: BenchmarkDatabase,
        processes: any BenchmarkProcesses,
        scale: Scale,
        logger: Logger,
        progress: @escaping @Sendable (String, Double) -> Void
    ) {
        self.database = database
        self.processes = processes
        self.scale = scale
        self.logger = logger
        self.progress = progress
    }

    public func run(_ measures: [Measure]) async -> BenchmarkReport {
        var report = BenchmarkReport()
        for (place, measure) in measures.enumerated() {
            progress(measure.rawValue, Double(place) / Double(measures.count))
            do {
                try await take(measure, &report)
            } catch {
                // What was measured so far took minutes: it is shown all the same.
                report.failure = "\(measure.rawValue) could not be measured: \(error)"
                break
            }
        }
        progress("done", 1)
        return report
    }

    private func take(_ measure: Measure, _ report: inout BenchmarkReport) async throws {
        switch measure {
        case .engine: try await engine(&report)
        case .chain: try await chain(&report)
        case .pickup: try await pickUp(&report)
        case .backlog: try await backlog(&report)
        case .snapshot: try await snapshot(&report)
        case .enqueue: try await enqueue(&report)
        case .process: try await process(&report)
        }
    }

    // MARK: The engine

    /// What several processes have said.
    private final class SampleList: Sendable {
        private let samples = Mutex<[EngineWorker.Sample]>([])
        func add(_ sample: EngineWorker.Sample) { samples.withLock { $0.append(sample) } }
        var all: [EngineWorker.Sample] { samples.withLock(\.self) }
    }

    struct EngineRun: Sendable {
        var stepsPerSecond: Double
        var clientMicroseconds: Double
        var serverMicroseconds: Double?
        var walBytes: Double
        var samples: [EngineWorker.Sample]
    }

    /// Worker processes whose steps do nothing, until no job is left or for so long.
    func runEngine(workers: Int, concurrency: Int = 2_000, seconds: Double? = nil) async throws -> EngineRun {
        let samples = SampleList()
        let cpu = database.serverCPUSeconds
        let wal = try await database.walBytes()
        let limit = seconds.map { ["--seconds", "\($0)"] } ?? []
        let arguments = ["benchmark-engine", "--concurrency", "\(concurrency)"] + limit
        let environment = environment()
        let ends = try await withThrowingTaskGroup(of: EngineWorker.Sample?.self) { group in
            for _ in 0..<workers {
                group.addTask { [processes] in
                    let (output, _, _) = try await processes.run(arguments, environment: environment) { line in
                        guard let sample = Self.sample(line) else { return }
                        samples.add(sample)
                    }
                    return output.split(separator: "\n").last.flatMap { Self.sample(String($0)) }
                }
            }
            var ends: [EngineWorker.Sample] = []
            for try await end in group { if let end { ends.append(end) } }
            return ends
        }
        let elapsed = max(ends.map(\.seconds).max() ?? 0, 0.001)
        let steps = Double(ends.map(\.steps).reduce(0, +))
        return EngineRun(
            stepsPerSecond: steps / elapsed,
            clientMicroseconds: ends.map(\.cpuSeconds).reduce(0, +) * 1e6 / max(steps, 1),
            serverMicroseconds: cpu.flatMap { cpu in database.serverCPUSeconds.map { ($0 - cpu) * 1e6 / max(steps, 1) }
            },
            walBytes: (try await database.walBytes() - wal) / max(steps, 1),
            samples: samples.all
        )
    }

    private static func sample(_ line: String) -> EngineWorker.Sample? {
        do {
            return try JSONDecoder().decode(EngineWorker.Sample.self, from: Data(line.utf8))
        } catch {
            // A log line.
            return nil
        }
    }

    func environment(_ more: [String: String] = [:]) -> [String: String] {
        ["EMBARK_DATABASE_URL": database.url].merging(more) { $1 }
    }

    /// pgbench with the engine's own statements: 4 clients, 100 jobs a statement.
    func runPgbench() async throws -> Double {
        let script = PgbenchScript(batch: min(100, scale.signups), steps: Self.enginePlan).text
        let file = FileManager.default.temporaryDirectory.appending(path: "embark-engine-\(getpid()).sql")
        try script.write(to: file, atomically: true, encoding: .utf8)
        defer {
            do {
                try FileManager.default.removeItem(at: file)
            } catch {
                logger.warning("a temporary file was left behind", metadata: ["path": "\(file.path)"])
            }
        }
        let before = try await database.number("SELECT count(*)::text FROM embark.attempts")
        let began = ContinuousClock.now
        _ = try await processes.program(
            "pgbench",
            [
                "-n", "-M", "prepared", "-c", "4", "-j", "2", "-T", "\(scale.pgbenchSeconds)", "-f", file.path,
                database.url(withSettings: WorkerSettings.stablePlans),
            ],
            input: ""
        )
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        return (try await database.number("SELECT count(*)::text FROM embark.attempts") - before) / elapsed
    }

    private func engine(_ report: inout BenchmarkReport) async throws {
        var one: [EngineRun] = []
        var two: [EngineRun] = []
        var bare: [Double] = []
        for round in 0..<scale.rounds {
            progress("engine, round \(round + 1) of \(scale.rounds)", 0)
            try await database.fill(scale.signups, plan: Self.enginePlan)
            one.append(try await runEngine(workers: 1))
            // Enough for pgbench at any speed.
            try await database.fill(scale.signups * 2, plan: Self.enginePlan)
            bare.append(try await runPgbench())
            try await database.fill(scale.signups, plan: Self.enginePlan)
            two.append(try await runEngine(workers: 2))
        }
        let steps = BenchmarkReport.median(one.map(\.stepsPerSecond))
        report.add(
            "engine",
            "one worker process, against pgbench",
            steps,
            "steps/s",
            against: BenchmarkReport.median(bare),
            ratioAtLeast: 0.85
        )
        if one.allSatisfy({ $0.serverMicroseconds != nil }) {
            let server = BenchmarkReport.median(one.compactMap(\.serverMicroseconds))
            report.add("engine", "server CPU a step", server, "µs", atMost: 20)
        }
        let client = BenchmarkReport.median(one.map(\.clientMicroseconds))
        report.add("engine", "worker CPU a step", client, "µs", atMost: 10)
        report.add("engine", "WAL a step", BenchmarkReport.median(one.map(\.walBytes)), "bytes")
        report.add(
            "engine",
            "two worker processes, against one",
            BenchmarkReport.median(two.map(\.stepsPerSecond)),
            "steps/s",
            against: steps,
            ratioAtLeast: 1
        )
    }

    // MARK: Depth and dead rows

    private func backlog(_ report: inout BenchmarkReport) async throws {
        var shallow: [Double] = []
        var deep: [Double] = []
        for round in 0..<scale.rounds {
            progress("backlog, round \(round + 1) of \(scale.rounds)", 0)
            // Until the last job: a time would also count the waiting behind it.
            try await database.fill(scale.signups, plan: Self.enginePlan)
            shallow.append(try await runEngine(workers: 1).stepsPerSecond)
            try await database.fill(scale.waiting, plan: Self.enginePlan)
            deep.append(try await runEngine(workers: 1, seconds: scale.calmSeconds / 3).stepsPerSecond)
            try await requireJobs("backlog")
        }
        report.add(
            "backlog",
            "behind \(scale.waiting) waiting signups",
            BenchmarkReport.median(deep),
            "steps/s",
            against: BenchmarkReport.median(shallow),
            ratioAtLeast: 0.9
        )
    }

    /// A queue that ran dry was not measured.
    private func requireJobs(_ measure: String) async throws {
        guard try await database.number("SELECT count(*)::text FROM embark.jobs") > 0 || scale.rounds == 1 else {
            throw BenchmarkFailure("the queue ran dry before \(measure) had ended: this machine needs more signups")
        }
    }

    /// A snapshot held open keeps every dead row where it is.
    private func snapshot(_ report: inout BenchmarkReport) async throws {
        // Enough to last to the end.
        try await database.fill(scale.waiting * 2, plan: Self.enginePlan)
        let total = scale.calmSeconds + scale.heldSeconds + scale.calmSeconds
        let holder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        async let held: Void = hold(holder)
        let run = try await runEngine(workers: 1, seconds: total)
        try await held
        await holder.close()
        try await requireJobs("snapshot")
        var before = (seconds: 0.0, steps: 0)
        for sample in run.samples where sample.seconds > before.seconds {
            let rate = Double(sample.steps - before.steps) / (sample.seconds - before.seconds)
            report.points.append(.init(seconds: sample.seconds, stepsPerSecond: rate, p50: sample.p50, p99: sample.p99))
            before = (sample.seconds, sample.steps)
        }
        let begin = scale.calmSeconds
        let end = begin + scale.heldSeconds
        report.held = begin...end
        func rate(_ range: ClosedRange<Double>) -> Double {
            BenchmarkReport.median(report.points.filter { range.contains($0.seconds) }.map(\.stepsPerSecond))
        }
        let last = max(begin, end - 10)...end
        let calm = rate(1...max(begin, 1))
        report.add(
            "snapshot",
            "the last 10 s of a snapshot held for \(Int(scale.heldSeconds)) s, against calm",
            rate(last),
            "steps/s",
            against: calm,
            ratioAtLeast: 0.5
        )
        report.add("snapshot", "after it was closed", rate((end + 1)...(total + 1)), "steps/s")
        // What never came back within the time that was measured took all of it.
        let back = report.points.first { $0.seconds > end && $0.stepsPerSecond >= 0.8 * calm }?.seconds ?? total
        report.add("snapshot", "until 0.8 of calm was back", back - end, "s", atMost: 10)
        try await snapshotAtAnOfferedRate(&report)
    }

    /// What is enqueued in that time by upstream's own view, from the exchange on: is it worked off as it comes?
    private func snapshotAtAnOfferedRate(_ report: inout BenchmarkReport) async throws {
        progress("snapshot, \(scale.offered * Self.offeredSteps) steps a second offered", 0)
        try await database.fill(0, plan: Self.enginePlan)
        try await database.configure(Installation(partnerMode: .techProvider, appID: "1", verifiesGrants: false))
        let lead = min(scale.calmSeconds, 5)
        let holder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        let feeder = try await Connection.open(ConnectionOptions(database.url, applicationName: "embark benchmark"))
        async let run = runEngine(workers: 1, seconds: lead + scale.heldSeconds + lead)
        // The worker starts, and works what is there; then the snapshot begins.
        _ = try await offer(for: lead, on: feeder)
        try await holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM embark.workers")
        let settledBefore = try await database.number("SELECT count(*)::text FROM embark.attempts")
        let held = try await offer(for: scale.heldSeconds, on: feeder)
        let settled = try await database.number("SELECT count(*)::text FROM embark.attempts") - settledBefore
        try await holder.script("COMMIT")
        _ = try await run
        await holder.close()
        await feeder.close()
        report.add(
            "snapshot",
            "held while steps are offered at a fixed rate",
            settled / held.seconds,
            "steps/s",
            against: Double(held.signups * Self.offeredSteps) / held.seconds,
            ratioAtLeast: 0.98
        )
        report.add(
            "snapshot",
            "oldest waiting job of its last 10 s, p50",
            BenchmarkReport.median(Array(held.oldestSeconds.suffix(10))) * 1e3,
            "ms",
            atMost: 100
        )
        report.add("snapshot", "oldest waiting job, max", (held.oldestSeconds.max() ?? 0) * 1e3, "ms")
    }

    private static let offeredSteps = 5

    private struct Offered {
        var signups = 0
        var seconds = 0.0
        /// The age of the oldest job that was due and in nobody's hands, once a second.
        var oldestSeconds: [Double] = []
    }

    /// Enqueues at a fixed rate, a tenth of a second's signups in one statement, and looks each second how long the oldest
    /// job has waited.
    private func offer(for seconds: Double, on feeder: Connection) async throws -> Offered {
        var offered = Offered()
        let began = ContinuousClock.now
        let batch = max(1, scale.offered / 10)
        for tick in 0..<Int(seconds * 10) {
            try await Task.sleep(until: began + .milliseconds(tick * 100), clock: .continuous)
            try await feeder.script(
                """
                INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id, flow, test_recipient)
                SELECT 'code-' || g, (102290129340000 + g)::text, (106290129340000 + g)::text, 'coexistence', '+16505551234'
                  FROM generate_series(1, \(batch)) AS g
                """
            )
            offered.signups += batch
            guard tick % 10 == 9 else { continue }
            offered.oldestSeconds.append(
                try await database.number(
                    """
                    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - j.due_at)), 0)::text FROM embark.jobs AS j
                     WHERE j.lease_id IS NULL AND j.due_at <= clock_timestamp()
                    """
                )
            )
        }
        offered.seconds = (ContinuousClock.now - began) / .seconds(1)
        return offered
    }

    private func hold(_ connection: Connection) async throws {
        try await Task.sleep(for: .seconds(scale.calmSeconds))
        try await connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM embark.workers")
        try await Task.sleep(for: .seconds(scale.heldSeconds))
        try await connection.script("COMMIT")
    }
}
