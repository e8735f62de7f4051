/// Runs `scripts/postgres`, which makes and removes private PostgreSQL clusters.
import Subprocess

enum ClusterScript {
    /// The root of the repository, from the place of this file in it.
    static let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// Returns what the script prints, without the newline. Throws with its messages when it fails.
    @discardableResult
    static func run(_ arguments: String...) async throws -> String {
        try await run(arguments)
    }

    @discardableResult
    static func run(_ arguments: [String]) async throws -> String {
        let script = repository + "/scripts/postgres"
        let result = try await Subprocess.run(
            .name("bash"),
            arguments: Arguments([script] + arguments),
            output: .string(limit: 65_536),
            error: .string(limit: 65_536)
        )
        guard result.terminationStatus.isSuccess else {
            let command = arguments.joined(separator: " ")
            throw SupportError("scripts/postgres \(command) failed: \(result.standardError)")
        }
        return result.standardOutput.split(separator: "\n").last.map(String.init) ?? ""
    }
}

/// Why a test could not be set up.
public struct SupportError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
