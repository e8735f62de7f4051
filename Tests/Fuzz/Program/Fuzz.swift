/// Drives a fuzz target: by libFuzzer in the build that `scripts/fuzz` makes, else by a seeded mutator over the kept corpus.
import Foundation
import FuzzTargets

#if FUZZER
    @_silgen_name("LLVMFuzzerRunDriver")
    private func runDriver(
        _ argc: UnsafeMutablePointer<CInt>,
        _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
    ) -> CInt

    private let chosen = FuzzTarget(rawValue: ProcessInfo.processInfo.environment["EMBARK_FUZZ_TARGET"] ?? "")
#endif

@main
enum Fuzz {
    /// One input may take this long, in a build for debugging on a busy machine.
    private static let secondsMax = 2.0
    private static let mebibytesMax = 512

    private static let usage = """
        usage: fuzz TARGET FOLDER   the inputs in a folder, and EMBARK_FUZZ_COUNT (1000) that are made of them
               fuzz TARGET FILE…    these inputs
               fuzz --words         words for a fuzzer's dictionary

        Targets: \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")).
        EMBARK_FUZZ_SEED chooses other inputs. With EMBARK_FUZZ_KEEP=FILE each is written there before it is run, so
        that one which ends the process is found.
        """

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments == ["--words"] { return printWords() }
        #if FUZZER
            guard chosen != nil else { return fail("EMBARK_FUZZ_TARGET names no target", code: 64) }
            var argc = CommandLine.argc
            var argv = CommandLine.unsafeArgv
            exit(
                runDriver(&argc, &argv) { start, count in
                    chosen?.run(Array(UnsafeBufferPointer(start: start, count: count)))
                    return 0
                }
            )
        #else
            guard arguments.count >= 2, let target = FuzzTarget(rawValue: arguments[0]) else {
                return fail(usage, code: 64)
            }
            do {
                try run(target, Array(arguments.dropFirst()))
            } catch {
                fail("\(error)", code: 1)
            }
        #endif
    }

    private static func run(_ target: FuzzTarget, _ paths: [String]) throws {
        let environment = ProcessInfo.processInfo.environment
        var isFolder: ObjCBool = false
        guard paths.count == 1, FileManager.default.fileExists(atPath: paths[0], isDirectory: &isFolder),
            isFolder.boolValue
        else {
            for path in paths { run(target, [UInt8](try Data(contentsOf: URL(filePath: path))), path, keep: nil) }
            return print("\(target.rawValue): \(paths.count) inputs")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: paths[0]).sorted()
        let corpus = try names.map { [UInt8](try Data(contentsOf: URL(filePath: paths[0] + "/" + $0))) }
        guard !corpus.isEmpty else { return fail("\(paths[0]) holds no input to begin with", code: 1) }
        let seed = environment["EMBARK_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        let count = environment["EMBARK_FUZZ_COUNT"].flatMap { Int($0) } ?? 1000
        let keep = environment["EMBARK_FUZZ_KEEP"]
        print("\(target.rawValue): seed \(seed), \(corpus.count) inputs kept, \(count) made of them")
        let began = ContinuousClock.now
        for (name, input) in zip(names, corpus) { run(target, input, name, keep: keep) }
        var mutator = Mutator(corpus: corpus, bytesMax: target.bytesMax, seed: seed)
        for number in 0..<count { run(target, mutator.next(), "number \(number)", keep: keep) }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let mebibytes = residentMebibytes()
        print("\(target.rawValue): \(corpus.count + count) runs in \(Int(seconds * 1000)) ms, \(mebibytes) MiB at most")
        if mebibytes > mebibytesMax { fail("\(target.rawValue): more than \(mebibytesMax) MiB", code: 1) }
    }

    private static func run(_ target: FuzzTarget, _ input: [UInt8], _ name: String, keep: String?) {
        if let keep, !FileManager.default.createFile(atPath: keep, contents: Data(input)) {
            fail("\(keep) cannot be written", code: 1)
        }
        let began = ContinuousClock.now
        target.run(input)
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        if seconds > secondsMax { fail("\(target.rawValue), \(name): took \(seconds) s", code: 1) }
    }

    /// What the process has held at most. Not as getrusage has it on Linux, which counts what the parent held when it started
    /// this program.
    private static func residentMebibytes() -> Int {
        #if canImport(Glibc)
            guard let status = FileManager.default.contents(atPath: "/proc/self/status") else { return 0 }
            let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            return (line?.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) >> 10
        #else
            var usage = rusage()
            guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
            return usage.ru_maxrss >> 20
        #endif
    }

    /// In libFuzzer's form: one quoted word a line, bytes that are not printable in hexadecimal.
    private static func printWords() {
        for word in Mutator.words {
            let text = word.map { byte -> String in
                let isPlain = (0x20..<0x7F).contains(byte) && !#"""\"#.utf8.contains(byte)
                let digits = String(byte, radix: 16, uppercase: true)
                return isPlain ? String(UnicodeScalar(byte)) : "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
            print("\"\(text.joined())\"")
        }
    }

    private static func fail(_ text: String, code: Int32) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
        exit(code)
    }
}
