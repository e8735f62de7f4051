/// Worker processes that run until a test ends them.
import AsyncHTTPClient
import Foundation
import GraphSimulator
import NIOCore
import NIOHTTP1
import NIOPosix
import Subprocess
import Support
import Testing

/// A worker process that goes on, with its health endpoint.
struct RunningWorker: Sendable {
    let processID: Int32
    let port: Int
    private let sendSignal: @Sendable (Subprocess.Signal) throws -> Void

    func send(_ signal: Subprocess.Signal) throws { try sendSignal(signal) }

    /// The status and the body of what the health endpoint answers; nil while it does not listen yet, and when it has ended.
    func get(_ path: String) async throws -> (status: Int, body: String)? {
        do {
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
            // As a probe does: the worker hangs up on a connection that is kept.
            request.headers.add(name: "connection", value: "close")
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
            let body = try await response.body.collect(upTo: 1 << 20)
            return (Int(response.status.code), String(buffer: body))
        } catch let error as HTTPClientError where [.connectTimeout, .remoteConnectionClosed].contains(error) {
            return nil
        } catch let error as IOError where [ECONNREFUSED, ECONNRESET].contains(error.errnoCode) {
            return nil
        } catch is NIOConnectionError {
            return nil
        } catch let error as ChannelError where error == .ioOnClosedChannel {
            return nil
        }
    }

    func isReady() async throws -> Bool { try await get("/readyz")?.status == 200 }

    /// Runs `embark worker` for as long as `body` does; ends it with SIGTERM if `body` has not ended it.
    ///
    /// - Parameter log: the file to which standard error is appended, instead of being kept in the result.
    static func with(
        graph url: String,
        database: String,
        environment: [String: String] = [:],
        arguments: [String] = [],
        log: String? = nil,
        _ body: @escaping @Sendable (RunningWorker) async throws -> Void
    ) async throws -> CommandResult {
        let port = try await FreePort.find()
        let more = environment.merging(["EMBARK_LISTEN": "127.0.0.1:\(port)"]) { $1 }
        let result = try await Subprocess.run(
            .name(log == nil ? "embark" : "sh"),
            arguments: Arguments(
                log.map { ["-c", "exec embark worker \"$@\" 2>>\"$0\"", $0] + arguments } ?? ["worker"] + arguments
            ),
            environment: Command.environment(database: database, WorkerProcess.environment(graph: url, more)),
            input: .none,
            output: .string(limit: Command.bytesMax),
            error: .string(limit: Command.bytesMax)
        ) { process -> (any Error)? in
            let worker = RunningWorker(
                processID: Int32(process.processIdentifier.value),
                port: port,
                sendSignal: { try process.send(signal: $0) }
            )
            var failure: (any Error)?
            do {
                try await body(worker)
            } catch {
                failure = error
            }
            // It may have ended already, which is no failure here: the test looks at how.
            try? process.send(signal: .terminate)
            return failure
        }
        if let failure = result.closureResult { throw failure }
        let code: Int32? = if case .exited(let code) = result.terminationStatus { code } else { nil }
        return CommandResult(code: code, out: result.standardOutput, err: result.standardError)
    }
}

enum FreePort {
    /// A port of loopback that was free a moment ago: the simulator's server finds one.
    static func find() async throws -> Int {
        let finder = try await SimulatorServer.start(Simulator(faults: try FaultPlan(json: "{}"), seed: 1))
        let port = finder.port
        try await finder.stop()
        return port
    }
}

extension CommandResult {
    /// The log's lines as objects.
    func logLines() throws -> [[String: Any]] {
        try err.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
        }
    }
}
