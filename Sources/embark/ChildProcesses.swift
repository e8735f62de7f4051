/// The processes that a benchmark starts: this program under other commands, and pgbench and psql.
import Foundation
import OnboardingRuntime
import Subprocess
import Synchronization

struct ChildProcesses: BenchmarkProcesses {
    /// How this program was called.
    let program: String

    private static let outputBytesMax = 16 << 20

    /// PostgreSQL's own programs are not on PATH everywhere.
    private static let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") + ":" + postgresFolders

    private static let postgresFolders: String = {
        let root = "/usr/lib/postgresql"
        guard FileManager.default.fileExists(atPath: root) else { return "" }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: root).sorted {
                ($0 as NSString).integerValue > ($1 as NSString).integerValue
            }
            .map { "\(root)/\($0)/bin" }.joined(separator: ":")
        } catch {
            return ""
        }
    }()

    private func environment(_ more: [String: String]) -> Environment {
        let folder = (program as NSString).deletingLastPathComponent
        let path = folder.isEmpty ? Self.path : URL(filePath: folder).path + ":" + Self.path
        var values: [Environment.Key: String] = ["PATH": path, "HOME": "/"]
        for (name, value) in more { values[Environment.Key(stringLiteral: name)] = value }
        return .custom(values)
    }

    /// The folder of this program comes first on PATH, so that its name is found there.
    private var executable: Executable { .name((program as NSString).lastPathComponent) }

    func run(
        _ arguments: [String],
        environment: [String: String],
        line: @escaping @Sendable (String) -> Void
    ) async throws -> (output: String, cpuSeconds: Double, peakResidentBytes: Int) {
        let before = Self.childrenCPUSeconds()
        let result = try await Subprocess.run(
            executable,
            arguments: Arguments(arguments),
            environment: self.environment(environment),
            input: .none,
            output: .sequence,
            error: .string(limit: Self.outputBytesMax)
        ) { process -> (String, Int) in
            let peak = Mutex(0)
            let watch = Task {
                while !Task.isCancelled {
                    let bytes = Self.peakResidentBytes(of: Int32(process.processIdentifier.value))
                    peak.withLock { $0 = max($0, bytes) }
                    do {
                        try await Task.sleep(for: .milliseconds(20))
                    } catch {
                        break
                    }
                }
            }
            var output = ""
            for try await text in process.standardOutput.strings() {
                output += text.hasSuffix("\n") ? text : text + "\n"
                line(text)
            }
            watch.cancel()
            await watch.value
            return (output, peak.withLock(\.self))
        }
        guard result.terminationStatus.isSuccess else {
            throw CommandFailure(
                .failed,
                "embark \(arguments[0]) ended with \(result.terminationStatus): \(result.standardError)"
            )
        }
        let (output, peak) = result.closureResult
        return (output, Self.childrenCPUSeconds() - before, peak)
    }

    func program(
        _ name: String,
        _ arguments: [String],
        environment: [String: String],
        input: String
    ) async throws -> String {
        let result = try await Subprocess.run(
            .name(name),
            arguments: Arguments(arguments),
            environment: self.environment(environment),
            input: .string(input),
            output: .string(limit: Self.outputBytesMax),
            error: .string(limit: Self.outputBytesMax)
        )
        guard result.terminationStatus.isSuccess else {
            throw CommandFailure(.failed, "\(name) failed: \(result.standardError.prefix(1000))")
        }
        return result.standardOutput + result.standardError
    }

    func with<Value: Sendable>(
        _ arguments: [String],
        environment: [String: String],
        _ body: @Sendable (String, Int32) async throws -> Value
    ) async throws -> Value {
        let result = try await Subprocess.run(
            executable,
            arguments: Arguments(arguments),
            environment: self.environment(environment),
            input: .inputWriter,
            output: .sequence,
            error: .discarded
        ) { process -> Result<Value, any Error> in
            let outcome: Result<Value, any Error>
            do {
                var first = ""
                // A worker prints nothing: what it does shows when it is ready.
                if arguments.first == "benchmark-responder" {
                    for try await text in process.standardOutput.strings() {
                        first = text.trimmingCharacters(in: .whitespacesAndNewlines)
                        break
                    }
                }
                outcome = .success(try await body(first, Int32(process.processIdentifier.value)))
            } catch {
                outcome = .failure(error)
            }
            try await process.standardInputWriter.finish()
            try process.send(signal: .terminate)
            return outcome
        }
        return try result.closureResult.get()
    }

    /// Of the children that have ended.
    private static func childrenCPUSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        let times = [usage.ru_utime, usage.ru_stime]
        return times.reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    private static func peakResidentBytes(of processID: Int32) -> Int {
        guard let data = FileManager.default.contents(atPath: "/proc/\(processID)/status") else { return 0 }
        let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) * 1024
    }
}
