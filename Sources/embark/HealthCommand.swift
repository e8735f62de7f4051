/// `embark health`: a probe of this machine's worker, for containers.
import ArgumentParser
import Foundation
import OnboardingRuntime

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask this machine's worker whether it is alive, or takes work.",
        discussion: """
            Exit 0 when it is, 1 when it is not or when no worker answers. A worker that
            drains, or whose database is away, is alive and not ready. At the default
            address, which gives way when it is taken, the next ports are asked as well.

            EXAMPLES
              embark health
              embark health --ready
              embark health --listen 127.0.0.1:9465
              embark health --ready -o json | jq -r '.found[]'
            """
    )

    @Flag(help: "Whether it takes work, with what it found.") var ready = false
    @Option(
        help: ArgumentHelp("Where the worker listens (default: EMBARK_LISTEN, 127.0.0.1:9464).", valueName: "host:port")
    )
    var listen: String?
    @Option(help: ArgumentHelp("How long it may take, 0.1 to 60.", valueName: "seconds")) var timeout = 2.0

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if !(0.1...60).contains(timeout) { throw ValidationError("--timeout must be 0.1 to 60.") }
    }

    func run() async throws {
        let sources = try SettingSources(
            flags: listen.map { ["EMBARK_LISTEN": $0] } ?? [:],
            environment: ProcessInfo.processInfo.environment
        )
        let question: WorkerProbe.Question = ready ? .readyz : .healthz
        let answer = try await WorkerProbe(sources: sources).ask(question, limit: .seconds(timeout))
        let found = (answer?.text ?? "").split(separator: "\n").map(String.init)
        switch global.output.format {
        case .table:
            for line in found { global.output.line(Output.printable(line)) }
        case .json, .jsonl:
            global.output.line(
                try Output.object([
                    "healthy": answer?.isGood == true ? "true" : "false",
                    "address": try answer.map { try Output.quoted($0.address) } ?? "null",
                    "found": "[" + (try found.map { try Output.quoted($0) }.joined(separator: ",")) + "]",
                ])
            )
        }
        guard let answer else {
            throw CommandFailure(.failed, "no worker answers here. EMBARK_LISTEN or --listen says where it listens.")
        }
        if !answer.isGood {
            throw CommandFailure(.failed, "the worker at \(answer.address) is not \(ready ? "ready" : "well")")
        }
    }
}
