/// `embark signup add --json-lines`: good and bad lines side by side, each known by its number.
import Foundation
import Postgres
import Subprocess
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSignupLinesTests {
    struct Line: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        /// nil for a line that is enqueued.
        let error: String?

        init(_ description: String, _ text: String, error: String?) {
            self.init(description, bytes: Array(text.utf8), error: error)
        }

        init(_ description: String, bytes: [UInt8], error: String?) {
            testDescription = description
            self.bytes = bytes
            self.error = error
        }
    }

    private static let good = #"{"code":"canary-code","currency":"USD"}"#

    /// A good line of so many bytes, blanks behind it.
    private static func padded(to count: Int) -> String {
        good + String(repeating: " ", count: count - good.utf8.count)
    }

    static let lines = [
        Line("good", good, error: nil),
        Line("nulls", #"{"code":"a","currency":"USD","pin":null,"metadata":null,"webhook_override":null}"#, error: nil),
        Line("nested metadata", #"{"code":"a","currency":"USD","metadata":{"a":[{"b":null}],"c":"é"}}"#, error: nil),
        Line("a pin with a leading zero", #"{"code":"a","currency":"USD","pin":"012345"}"#, error: nil),
        Line("blanks around it", "  " + good + "\t", error: nil),
        Line(
            "48 KiB that are 16 KiB of metadata",
            #"{"code":"a","currency":"USD","metadata":{"a":""# + String(repeating: #"\u00e9"#, count: 8_000) + #""}}"#,
            error: nil
        ),
        Line("no JSON", "canary", error: "it is not a JSON object"),
        Line("half of it", #"{"code":"canary"#, error: "it is not a JSON object"),
        Line("two objects", good + good, error: "it is not a JSON object"),
        Line("an array", "[" + good + "]", error: "it is not a JSON object"),
        Line("a word", "null", error: "it is not a JSON object"),
        Line(
            "nested without end",
            String(repeating: "[", count: 100_000),
            error: "it is nested too deeply or too large"
        ),
        Line("an escaped NUL", #"{"code":"canary\u0000"}"#, error: "it is not a JSON object"),
        Line("half a surrogate pair", #"{"code":"canary\ud800"}"#, error: "it is not a JSON object"),
        Line(
            "an unknown field",
            #"{"code":"a","currency":"USD","canary":"123456"}"#,
            error: "it has an unknown field; the fields are those of embark.enqueue_signup"
        ),
        Line(
            "a number for a string",
            #"{"code":"a","currency":"USD","pin":123456}"#,
            error: "pin must be a JSON string"
        ),
        Line("an object for a string", #"{"code":{"canary":1}}"#, error: "code must be a JSON string"),
        Line("a broken rule", #"{"code":"a","currency":"USD","pin":"canary"}"#, error: "pin must be six ASCII digits"),
        Line("no code", #"{"currency":"USD"}"#, error: "code is required"),
        Line(
            "metadata that is no object",
            #"{"code":"a","currency":"USD","metadata":"canary"}"#,
            error: "metadata must be a JSON object"
        ),
        Line("a NUL", bytes: Array(good.utf8) + [0], error: "it holds a NUL byte"),
        Line(
            "not UTF-8",
            bytes: Array(#"{"code":"canary"#.utf8) + [0xFF] + Array("\"}".utf8),
            error: "it is not UTF-8 text"
        ),
        Line("1 MiB", padded(to: 1 << 20), error: nil),
        Line("1 MiB and a byte", padded(to: (1 << 20) + 1), error: "it is longer than 1 MiB"),
        Line(
            "10 MiB",
            #"{"code":"canary","test_message":""# + String(repeating: "x", count: 10 << 20) + "\"}",
            error: "it is longer than 1 MiB"
        ),
    ]

    @Test(arguments: lines)
    func `A line is enqueued or refused by its number, and its neighbours are enqueued`(line: Line) async throws {
        let good = Array(Self.good.utf8)
        let input = good + [10] + line.bytes + [10] + good + [10]
        let result = try await add(input, format: "jsonl")
        let ids = line.error == nil ? ["1", "2", "3"] : ["1", nil, "2"]
        let reported = try result.objectLines()
        #expect(reported.map { $0["line"] as? Int } == [1, 2, 3])
        #expect(reported.map { $0["id"] as? String } == ids)
        #expect(reported.map { $0["error"] as? String } == [nil, line.error, nil])
        #expect(result.code == (line.error == nil ? 0 : 2))
        #expect(result.err == (line.error == nil ? "3 enqueued, none refused\n" : "2 enqueued, 1 refused\n"))
        #expect(!result.all.contains("canary"))
        #expect(try await signups() == (line.error == nil ? 3 : 2))
    }

    @Test func `All of them in one go: each bad line is named, and no value stands in any message`() async throws {
        let input: [UInt8] = Array(Self.lines.map { $0.bytes + [10] }.joined())
        let result = try await add(input)
        let refusals = Self.lines.enumerated().compactMap { index, line in
            line.error.map { "line \(index + 1): \($0)\n" }
        }
        let accepted = Self.lines.count - refusals.count
        #expect(result.out == "")
        #expect(result.err == refusals.joined() + "\(accepted) enqueued, \(refusals.count) refused\n")
        #expect(result.code == 2)
        #expect(try await signups() == Int64(accepted))
        #expect(!result.all.contains("canary"))
    }

    @Test(
        arguments: [
            ("GOOD\n\nGOOD\n", [1, 3]), ("\n\n\nGOOD", [4]), ("GOOD\r\n\r\nGOOD\r\n", [1, 3]), (" \t \nGOOD\n \n", [2]),
            ("", []),
            ("GOOD", [1]),
        ] as [(String, [Int])]
    )
    func `Empty lines count and are skipped, whatever ends a line, and the last one needs no end`(
        text: String,
        numbers: [Int]
    ) async throws {
        let result = try await add(Array(text.replacing("GOOD", with: Self.good).utf8), format: "jsonl")
        #expect(try result.objectLines().map { $0["line"] as? Int } == numbers)
        #expect(result.err == "\(numbers.count) enqueued, none refused\n")
        #expect(result.code == 0)
    }

    @Test func `Five thousand lines go in at once, in their order`() async throws {
        let input = (1...5_000).map { #"{"code":"c","currency":"USD","external_id":"bulk-\#($0)"}"# + "\n" }.joined()
        let result = try await add(Array(input.utf8))
        #expect(result.err == "5000 enqueued, none refused\n")
        #expect(result.code == 0)
        #expect(try await signups() == 5_000)
        // The same file again is safe: the same signups, no new ones.
        let again = try await add(Array(input.utf8), format: "jsonl")
        #expect(again.code == 0)
        let first = try await texts("SELECT id::text FROM embark.signups WHERE external_id = 'bulk-1'")
        #expect(
            try again.objectLines().first?["id"] as? String == first.first
        )
        #expect(again.outLines.count == 5_000)
        #expect(try await signups() == 5_000)
    }

    @Test func `On a terminal a bar shows how far it has come, and bad lines stand above it`() async throws {
        let path = NSTemporaryDirectory() + "embark-lines-\(UUID().uuidString).jsonl"
        let lines = (1...2_000).map { $0 == 700 ? "bad" : Self.good }.joined(separator: "\n")
        try Data(lines.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (code, terminal) = try await TerminalCommand.run(
            ["signup", "add", "--json-lines", path],
            database: TestDatabase.current.url
        ) { _ in }
        #expect(code == 2)
        let bar = /[█░]{24} \d+ %  \d+ enqueued/
        #expect(terminal.output.firstMatch(of: bar) != nil, "\(terminal.output)")
        #expect(terminal.output.contains("\r\u{1B}[Kline 700: it is not a JSON object\r\n"))
        #expect(terminal.output.hasSuffix("\r\u{1B}[K1999 enqueued, 1 refused\r\n"))
    }

    @Test func `Lines come from a file, too`() async throws {
        let path = NSTemporaryDirectory() + "embark-lines-\(UUID().uuidString).jsonl"
        try Data((Self.good + "\n").utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try await Command.run("signup", "add", "--json-lines", path).err == "1 enqueued, none refused\n")
    }

    @Test(arguments: [("/nonexistent/lines", "opened"), ("/", "read")])
    func `A file that cannot be read is a mistake in the call`(path: String, verb: String) async throws {
        let result = try await Command.run("signup", "add", "--json-lines", path)
        #expect(result.code == 64)
        #expect(
            result.err.hasPrefix("embark: the file \(path) cannot be \(verb)\n")
                || result.err.hasSuffix("cannot be \(verb)\n")
        )
    }

    @Test(.database(.migrated))
    func `What is not a line's fault ends the run`() async throws {
        let result = try await add(Array((Self.good + "\n").utf8))
        #expect(result.code == 2)
        #expect(result.err.contains("embark: installation has no row yet"))
    }

    @Test func `When the database goes away in the middle, the answered lines stand and the rest may be sent again`()
        async throws
    {
        // So long that both the program's batches and the pipe between us are full several times.
        let line = #"{"code":"c","currency":"USD","test_message":"\#(String(repeating: "x", count: 400))"}"# + "\n"
        let half = Array(String(repeating: line, count: 1_000).utf8)
        let url = TestDatabase.current.url
        _ = Command.brokenPipesAreErrors
        let result = try await Subprocess.run(
            .name("embark"),
            arguments: ["signup", "add", "--json-lines", "-", "-o", "jsonl"],
            environment: Command.environment(database: url),
            input: .inputWriter,
            output: .sequence,
            error: .string(limit: 65_536)
        ) { process in
            _ = try await process.standardInputWriter.write(half)
            var lines = process.standardOutput.strings().makeAsyncIterator()
            var answered = 0
            while answered < 500, try await lines.next() != nil { answered += 1 }
            // In the test's own database there is no other session of the program.
            try await withConnection(to: url) { connection in
                let sessions = """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'embark'
                    """
                let ended = try await connection.values(sessions, as: Bool.self)
                #expect(ended == [true])
            }
            _ = try? await process.standardInputWriter.write(half)
            try? await process.standardInputWriter.finish()
            while try await lines.next() != nil { answered += 1 }
            return answered
        }
        #expect(result.terminationStatus == .exited(69))
        let answered = result.closureResult
        #expect(answered >= 500 && answered < 2_000)
        #expect(result.standardError.contains("\(answered) enqueued"))
        #expect(result.standardError.contains("The lines before \(answered + 1) have been answered."))
        #expect(try await signups() >= Int64(answered))
    }

    private func add(_ input: [UInt8], format: String = "table") async throws -> CommandResult {
        try await Command.run(
            ["signup", "add", "--json-lines", "-", "-o", format],
            database: TestDatabase.current.url,
            input: input
        )
    }

    private func signups() async throws -> Int64 {
        try await count("embark.signups")
    }
}
