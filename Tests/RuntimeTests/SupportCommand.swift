/// Runs the built `embark` as a child process, as a person or a script would, and keeps all that it printed.
import Foundation
import Subprocess
import Support
import Testing

/// What a child process left behind.
struct CommandResult: Sendable {
    /// nil when a signal ended it.
    let code: Int32?
    let out: String
    let err: String

    var outLines: [String] { out.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init) }
    /// Both streams, for what must stand on neither.
    var all: String { out + err }

    /// The one JSON value on standard output.
    func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(out.utf8), options: .fragmentsAllowed) }

    func object() throws -> [String: Any] { try #require(try json() as? [String: Any]) }

    func objects() throws -> [[String: Any]] { try #require(try json() as? [[String: Any]]) }

    /// Each line of standard output as a JSON object.
    func objectLines() throws -> [[String: Any]] {
        try outLines.map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
    }
}

enum Command {
    /// Writing to a program that has ended would end the test process. A handler and not SIG_IGN: a program that is
    /// started inherits what is ignored, and would behave otherwise than in a shell.
    static let brokenPipesAreErrors: Void = { signal(SIGPIPE) { _ in } }()

    static let bytesMax = 32 << 20

    /// The folder of the built products: that of the test bundle.
    static let products: URL = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        return bundle.map { $0.bundleURL.deletingLastPathComponent() } ?? Bundle.main.bundleURL
    }()

    /// Nothing of the developer's own environment but what finds programs, the built one first: no PG*, no NO_COLOR. Graph is at
    /// nobody's port, so that no test calls the real one.
    static func environment(database url: String?, _ more: [String: String] = [:]) -> Environment {
        var values = [
            "PATH": products.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"), "HOME": "/",
            "COLUMNS": "80", "EMBARK_GRAPH_URL": "http://127.0.0.1:1",
        ]
        values["EMBARK_DATABASE_URL"] = url
        return .custom(
            Array(
                values.merging(more) { _, new in new }.map { name, value in Array("\(name)=\(value)".utf8) + [0] }
            )
        )
    }

    /// `embark …` with the given database in its environment; nil leaves the variable out.
    static func run(
        _ arguments: [String],
        database url: String?,
        input: [UInt8] = [],
        environment: [String: String] = [:]
    ) async throws -> CommandResult {
        try await run(.name("embark"), arguments, input, self.environment(database: url, environment))
    }

    /// `embark …` with the running test's own database.
    static func run(_ arguments: String..., input: String = "") async throws -> CommandResult {
        try await run(arguments, database: TestDatabase.current.url, input: Array(input.utf8))
    }

    /// A line as a person pastes it into a shell, with the running test's own database.
    static func shell(_ line: String, input: String = "") async throws -> CommandResult {
        try await run(
            .name("sh"),
            ["-c", line],
            Array(input.utf8),
            environment(database: TestDatabase.current.url)
        )
    }

    /// Another program, such as psql.
    static func program(_ name: String, _ arguments: [String], input: String = "") async throws -> CommandResult {
        try await run(.name(name), arguments, Array(input.utf8), environment(database: nil))
    }

    private static func run(
        _ program: Executable,
        _ arguments: [String],
        _ input: [UInt8],
        _ environment: Environment
    ) async throws -> CommandResult {
        _ = brokenPipesAreErrors
        let result = try await Subprocess.run(
            program,
            arguments: Arguments(arguments),
            environment: environment,
            input: .inputWriter,
            output: .string(limit: bytesMax),
            error: .string(limit: bytesMax)
        ) { process in
            // A program may end without reading all of it, which is its own affair.
            if !input.isEmpty { _ = try? await process.standardInputWriter.write(input) }
            try await process.standardInputWriter.finish()
        }
        let code: Int32? = if case .exited(let code) = result.terminationStatus { code } else { nil }
        return CommandResult(code: code, out: result.standardOutput, err: result.standardError)
    }
}
