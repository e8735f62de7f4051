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
    func program(
        _ name: String,
        _ arguments: [String],
        environment: [String: String],
        input: String
    ) async throws -> String
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
    let progress: BenchmarkProgress

    /// - Parameter progress: gets what is being done, and how much of it all is done, 0 to 1.
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
        self.progress = BenchmarkProgress(show: progress)
    }

    public func run(_ measures: [Measure]) async -> BenchmarkReport {
        var report = BenchmarkReport()
        for (place, measure) in measures.enumerated() {
            progress.begin(measure.rawValue, place, of: measures.count)
            do {
                report.server = try await database.texts("SHOW server_version").first ?? ""
                try await take(measure, &report)
            } catch {
                // What was measured so far took minutes: it is shown all the same.
                report.failure = "\(measure.rawValue) could not be measured: \(error)"
                break
            }
        }
        progress.end()
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
        var cost: BenchmarkReport.Cost
        var samples: [EngineWorker.Sample]
    }

    /// Worker processes whose steps do nothing, until no job is left or for so long.
    func runEngine(workers: Int, concurrency: Int = 2_000, seconds: Double? = nil) async throws -> EngineRun {
        let samples = SampleList()
        let limit = seconds.map { ["--seconds", "\($0)"] } ?? []
        let arguments = ["benchmark-engine", "--concurrency", "\(concurrency)"] + limit
        let environment = environment()
        let ends = SampleList()
        let cost = try await database.cost {
            try await withThrowingTaskGroup { group in
                for _ in 0..<workers {
                    group.addTask { [processes, progress] in
                        let (output, _, _) = try await processes.run(arguments, environment: environment) { line in
                            guard let sample = Self.sample(line) else { return }
                            samples.add(sample)
                            if let seconds { progress.part(sample.seconds / seconds) }
                        }
                        output.split(separator: "\n").last.flatMap { Self.sample(String($0)) }.map(ends.add)
                    }
                }
                try await group.waitForAll()
            }
            return Double(ends.all.map(\.steps).reduce(0, +))
        }
        let elapsed = max(ends.all.map(\.seconds).max() ?? 0, 0.001)
        let steps = Double(ends.all.map(\.steps).reduce(0, +))
        return EngineRun(
            stepsPerSecond: steps / elapsed,
            clientMicroseconds: ends.all.map(\.cpuSeconds).reduce(0, +) * 1e6 / max(steps, 1),
            cost: cost,
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
    func runPgbench() async throws -> (stepsPerSecond: Double, cost: BenchmarkReport.Cost) {
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
        let began = ContinuousClock.now
        var elapsed = 0.0
        var steps = 0.0
        let cost = try await database.cost {
            let before = try await database.number("SELECT count(*)::text FROM embark.attempts")
            _ = try await processes.program(
                "pgbench",
                [
                    "-n", "-M", "prepared", "-c", "4", "-j", "2", "-T", "\(scale.pgbenchSeconds)", "-f", file.path,
                ],
                // The plans that a worker has.
                environment: database.environment(withSettings: WorkerSettings.stablePlans),
                input: ""
            )
            elapsed = (ContinuousClock.now - began) / .seconds(1)
            steps = try await database.number("SELECT count(*)::text FROM embark.attempts") - before
            return steps
        }
        return (steps / elapsed, cost)
    }

    private func engine(_ report: inout BenchmarkReport) async throws {
        var one: [EngineRun] = []
        var two: [EngineRun] = []
        var bare: [(stepsPerSecond: Double, cost: BenchmarkReport.Cost)] = []
        for round in 0..<scale.rounds {
            progress.show("engine", round, of: scale.rounds)
            try await database.fill(scale.signups, plan: Self.enginePlan)
            one.append(try await runEngine(workers: 1))
            // Enough for pgbench at any speed.
            try await database.fill(scale.signups * 2, plan: Self.enginePlan)
            bare.append(try await runPgbench())
            try await database.fill(scale.signups, plan: Self.enginePlan)
            two.append(try await runEngine(workers: 2))
        }
        let steps = one.map(\.stepsPerSecond)
        report.add(
            "engine",
            "one worker process, against pgbench",
            steps,
            "steps/s",
            against: bare.map(\.stepsPerSecond),
            must: .ratioAtLeast(0.85)
        )
        if one.allSatisfy({ $0.cost.serverMicroseconds != nil }) {
            let server = one.compactMap(\.cost.serverMicroseconds)
            report.add("engine", "server CPU a step", server, "µs", must: .atMost(20))
        }
        report.add("engine", "worker CPU a step", one.map(\.clientMicroseconds), "µs", must: .atMost(10))
        report.add("engine", "WAL a step", one.map(\.cost.walBytes), "bytes")
        report.addCost("engine", "pgbench", bare.map(\.cost), a: "step")
        report.add(
            "engine",
            "two worker processes, against one",
            two.map(\.stepsPerSecond),
            "steps/s",
            against: steps,
            must: .ratioAtLeast(1)
        )
        report.addCost("engine", "two worker processes", two.map(\.cost), a: "step")
    }
}
