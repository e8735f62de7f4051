/// `embark benchmark-engine`: the process that `embark benchmark` measures; people run the other one.
import ArgumentParser
import Foundation
import Logging
import OnboardingRuntime

struct BenchmarkEngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark-engine",
        abstract: "A worker whose steps do nothing, for embark benchmark.",
        shouldDisplay: false
    )

    @Option(help: "Jobs in flight.") var concurrency = 2000
    @Option(help: "How long; until no job is left when absent.") var seconds: Double?

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        LoggingSystem.bootstrap { LineLogHandler(label: $0, format: .json, level: .warning) }
        try await EngineWorker.run(
            database: DatabaseSettings(sources: global.sources()),
            concurrency: concurrency,
            seconds: seconds,
            logger: Logger(label: "embark")
        ) { sample in
            do {
                var line = try JSONEncoder().encode(sample)
                line.append(UInt8(ascii: "\n"))
                try FileHandle.standardOutput.write(contentsOf: line)
            } catch {
                StandardStreams.err("embark: a sample could not be written: \(error)\n")
            }
        }
    }
}
