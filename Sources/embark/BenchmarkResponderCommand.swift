/// `embark benchmark-responder`: the far end of `embark benchmark`'s calls, in a process of its own so that its CPU is apart.
import ArgumentParser
import Foundation
import OnboardingRuntime

struct BenchmarkResponderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark-responder",
        abstract: "Fixed answers after a fixed time, for embark benchmark.",
        shouldDisplay: false
    )

    @Option(help: "How long each answer is held back, in milliseconds.") var latency: Int64 = 50

    /// Those that every command takes; there is nothing here for them to change.
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let port = try await FixedResponder(latencyMilliseconds: latency).listen()
        StandardStreams.out("http://127.0.0.1:\(port)\n")
        // Until whoever started it closes its input, or ends.
        while FileHandle.standardInput.availableData.count > 0 {}
    }
}
