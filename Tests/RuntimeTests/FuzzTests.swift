/// The fuzz targets over their kept corpus and inputs that are made of it from a seed: a few seconds of what `scripts/fuzz` does.
import Foundation
import FuzzTargets
import Subprocess
import Testing

/// In processes of their own: what traps ends one of them, and not the tests.
@Suite(.timeLimit(.minutes(10))) struct FuzzTests {
    private static let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    private func fuzz(_ target: FuzzTarget, _ environment: [String: String]) async throws -> CommandResult {
        let passed = ProcessInfo.processInfo.environment.filter { $0.key.hasPrefix("EMBARK_FUZZ_") }
        let values = passed.merging(environment) { $1 }.merging([
            "SWIFT_BACKTRACE": "enable=no", "PATH": "/usr/bin:/bin",
        ]) { $1 }
        let result = try await Subprocess.run(
            .name("env"),
            arguments: [
                "\(Command.products.path)/fuzz", target.rawValue,
                "\(Self.repository)/Tests/Fuzz/corpus/\(target.rawValue)",
            ],
            environment: .custom(values.map { name, value in Array("\(name)=\(value)".utf8) + [0] }),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        let code: Int32? = if case .exited(let code) = result.terminationStatus { code } else { nil }
        return CommandResult(code: code, out: result.standardOutput, err: result.standardError)
    }

    @Test(arguments: FuzzTarget.allCases) func `Every input holds what its target promises`(
        target: FuzzTarget
    ) async throws {
        let first = try await fuzz(target, [:])
        print(first.out, terminator: "")
        guard first.code != 0 else { return }
        // The same inputs again, each kept before it is run: the last one is the one that ended it.
        let file = FileManager.default.temporaryDirectory.appending(path: "embark-fuzz-\(target.rawValue)-\(UUID())")
            .path
        let again = try await fuzz(target, ["EMBARK_FUZZ_KEEP": file])
        Issue.record("\(again.all.suffix(2000))\nThe input is in \(file): .build/debug/fuzz \(target.rawValue) \(file)")
    }

    @Test func `The corpus stays small, and has inputs for each target`() throws {
        var files = 0
        var bytes = 0
        for target in FuzzTarget.allCases {
            let folder = "\(Self.repository)/Tests/Fuzz/corpus/\(target.rawValue)"
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.count >= 5, "\(target)")
            files += names.count
            for name in names { bytes += try Data(contentsOf: URL(filePath: folder + "/" + name)).count }
        }
        #expect(files <= 200 && bytes <= 1 << 20, "\(files) files, \(bytes) bytes")
    }
}
