/// `embark graph-simulator`: a Graph API of the project's own, for development and tests.
import ArgumentParser
import Foundation
import GraphSimulator
import NIOCore
import ServiceLifecycle

struct GraphSimulatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph-simulator",
        abstract: "A Graph API of our own, for development and tests.",
        discussion: """
            Prints the address that it took on its first line and serves Graph's paths
            under any version. Codes are minted with POST /simulator/codes, or say
            themselves what they grant: WABA.PHONE.BUSINESS.anything. GET /simulator/ledger
            shows each request and each effect, GET /simulator/state what stands, and
            PUT /simulator/faults takes what --faults does. Faults: http500, html502,
            transient, code:N, code:N/SUBCODE, reset_before, reset_after, silent_before,
            silent_after, truncated, bad_json, malformed, slow, wrong_length, huge,
            deep_json, long_header, nul, lone_surrogate, duplicate_keys, huge_number,
            usage:PERCENT, usage:PERCENT:MINUTES, usage_raw:TEXT.

            EXAMPLES
              embark graph-simulator --listen 127.0.0.1:8090 --latency 50ms
              embark graph-simulator --seed 7 --faults \\
                '{"register_phone": {"http500": 0.1, "reset_after": 0.05}}'
              embark graph-simulator --faults '{"share_credit_line": ["silent_after"]}'
            """
    )

    @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "host:port"))
    var listen = "127.0.0.1:0"
    @Option(help: "How long each answer is held back: 50ms, 2s, or a range 20ms-200ms.") var latency = "0ms"
    @Option(help: "Faults by endpoint, as JSON; @FILE reads them from a file.") var faults: String?
    @Option(help: "What random faults are drawn from.") var seed: UInt64 = 0

    /// Those that every command takes; there is nothing here for them to change.
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let parts = listen.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]), (0...65_535).contains(port), Self.isLoopback(parts[0]) else {
            throw ValidationError("--listen must be a loopback address with a port: 127.0.0.1:8090.")
        }
        let ends = latency.split(separator: "-", omittingEmptySubsequences: false).map(Self.time)
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends.last ?? nil, first <= last else {
            throw ValidationError("--latency must be a time such as 50ms or 2s, or a range such as 20ms-200ms.")
        }
        let simulator = Simulator(faults: try plan(), seed: seed)
        let server = try await SimulatorServer.start(
            simulator,
            host: String(parts[0]),
            port: port,
            latency: first...last
        )
        StandardStreams.out("http://\(parts[0]):\(server.port)\n")
        try await server.waitUntilStopped()
    }

    private func plan() throws -> FaultPlan {
        guard let faults else { return FaultPlan() }
        do {
            let json =
                faults.hasPrefix("@") ? try String(contentsOfFile: String(faults.dropFirst()), encoding: .utf8) : faults
            return try FaultPlan(json: json)
        } catch let error as FaultPlanError {
            throw ValidationError("--faults: \(error)")
        } catch {
            throw ValidationError("--faults: the file cannot be read")
        }
    }

    private static func time(_ text: Substring) -> TimeAmount? {
        guard let match = text.wholeMatch(of: /([0-9]{1,6})(ms|s)/), let number = Int64(match.1) else { return nil }
        return match.2 == "s" ? .seconds(number) : .milliseconds(number)
    }

    private static func isLoopback(_ host: Substring) -> Bool {
        host == "localhost" || host.wholeMatch(of: /127(\.[0-9]{1,3}){3}/) != nil
    }
}
