/// `embark benchmark`: its own speed, against what the machine can do, on an empty database.
import ArgumentParser
import Foundation
import Logging
import OnboardingRuntime
import Postgres

struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Measure Embark's own speed, on an empty database.",
        discussion: """
            Makes the schema embark and drops it at the end; a database that has one is
            refused. Compares with pgbench, which has to be installed, in the same minutes.
            scripts/bench runs all of it on a private PostgreSQL. Use a release build. The
            role has to be a superuser: there is a CHECKPOINT before each round.

            engine    steps settled, recorded and enqueued a second, without calls
            chain     1,000 signups of five steps, each a call of 50 ms
            pickup    from an enqueue's commit to the worker, and to the request
            backlog   the engine behind a million waiting signups
            snapshot  the engine while a snapshot is held open for a minute
            enqueue   by function and by COPY, against bare rows
            process   memory, and start to the first request

            EXAMPLES
              embark benchmark --database-url postgresql://localhost/empty
              embark benchmark --only engine --only chain -o json
              embark benchmark --only snapshot --plot snapshot.svg
            """
    )

    @Option(help: "One measure; several times for several. All of them when absent.") var only: [String] = []
    @Flag(help: "So small that it only shows that it works.") var short = false
    @Option(help: ArgumentHelp("Write throughput and latency over time, as SVG.", valueName: "file")) var plot: String?

    @OptionGroup var global: GlobalOptions

    private static let measures = Benchmark.Measure.allCases.map(\.rawValue)

    func validate() throws {
        for name in only where !Self.measures.contains(name) {
            throw ValidationError("--only must be one of \(Self.measures.joined(separator: ", ")).")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap { LineLogHandler(label: $0, format: .text, level: .error) }
        let output = global.output
        let url = try global.databaseURLText()
        let processes = ChildProcesses(program: CommandLine.arguments[0])
        let bar = ProgressBar()
        let report = try await global.withConnection { connection -> BenchmarkReport in
            let database: BenchmarkDatabase
            do {
                database = try await BenchmarkDatabase.prepare(on: connection, url: url)
            } catch let refusal as BenchmarkRefusal {
                throw CommandFailure(.refused, refusal.description)
            }
            let benchmark = Benchmark(
                database: database,
                processes: processes,
                scale: short ? .short : Benchmark.Scale(),
                logger: Logger(label: "embark"),
                progress: { bar.show($0, share: $1) }
            )
            let measures = Benchmark.Measure.allCases.filter { only.isEmpty || only.contains($0.rawValue) }
            let report = await benchmark.run(measures)
            bar.end()
            try await database.remove()
            return report
        }
        try show(report, output)
        if let plot {
            let svg = TimePlot(
                title: "Steps settled while a snapshot is held open",
                points: report.points.map {
                    .init(seconds: $0.seconds, rate: $0.stepsPerSecond, low: $0.p50, high: $0.p99)
                },
                marked: report.held,
                mark: "snapshot held"
            ).svg
            try svg.write(toFile: plot, atomically: true, encoding: .utf8)
        }
        if let failure = report.failure { throw CommandFailure(.failed, failure) }
        if !short, report.lines.contains(where: { $0.isReached == false }) {
            throw CommandFailure(.failed, "a figure is not what it must be: see the lines with NO")
        }
    }

    private func show(_ report: BenchmarkReport, _ output: Output) throws {
        guard output.format == .table else {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            func json(_ value: some Encodable) throws -> String {
                String(decoding: try encoder.encode(value), as: UTF8.self)
            }
            if output.format == .jsonl { return output.objects(try report.lines.map(json)) }
            return output.line(
                try Output.object([
                    "embark": Output.quoted(Version.current), "postgresql": Output.quoted(report.server),
                    "processors": "\(ProcessInfo.processInfo.activeProcessorCount)", "lines": json(report.lines),
                    "points": json(report.points),
                    "held": json(report.held.map { [$0.lowerBound, $0.upperBound] } ?? []),
                ])
            )
        }
        output.table(
            header: ["MEASURE", "WHAT", "FIGURE", "", "AGAINST", "RATIO", "MUST BE", "REACHED"],
            rows: report.lines.map { line in
                [
                    line.measure, line.what, BenchmarkReport.text(line.value), line.unit,
                    line.reference.map(BenchmarkReport.text) ?? "", line.ratio.map(BenchmarkReport.text) ?? "",
                    line.bar ?? "", line.isReached.map { $0 ? "yes" : "NO" } ?? "",
                ]
            },
            color: { $0 == "NO" ? .red : $0 == "yes" ? .green : nil }
        )
    }
}
