/// The texts that people and manuals quote, whole.
import Support
import Testing

@Suite(.timeLimit(.minutes(10))) struct CommandHelpTests {
    @Test(arguments: HelpText.all)
    func `Help is this text, to the letter`(help: HelpText) async throws {
        let result = try await Command.run(help.command + ["--help"], database: nil)
        #expect(result.out == help.text + "\n")
        #expect(result.err == "")
        #expect(result.code == 0)
    }

    /// Every command, groups included, by its words; not the processes that `embark benchmark` starts for itself, nor `help`.
    private static func commands(_ dump: [String: Any], _ words: [String] = []) -> [(words: [String], isGroup: Bool)] {
        let subcommands = (dump["subcommands"] as? [[String: Any]] ?? []).compactMap { subcommand in
            (subcommand["commandName"] as? String).map { ($0, subcommand) }
        }.filter { name, _ in name != "help" && !name.hasPrefix("benchmark-") }
        return [(words, !subcommands.isEmpty)] + subcommands.flatMap { commands($1, words + [$0]) }
    }

    private static func commands() async throws -> [(words: [String], isGroup: Bool)] {
        let dump = try await Command.run(["--experimental-dump-help"], database: nil).object()
        return commands(try #require(dump["command"] as? [String: Any]))
    }

    @Test func `Of every command the help is held to the letter`() async throws {
        let words = try await Self.commands().map(\.words)
        #expect(Set(words) == Set(HelpText.all.map(\.command)))
        #expect(words.count == HelpText.all.count)
    }

    @Test func `Every command takes the options of all, also in front of its name`() async throws {
        let global = ["--database-url", "postgresql://127.0.0.1:1/nowhere", "-o", "json", "--no-color"]
        for (words, isGroup) in try await Self.commands() where !isGroup {
            let result = try await Command.run(global + words + ["--help"], database: nil)
            #expect(result.code == 0, "\(words): \(result.err)")
            for option in ["--database-url <url>", "-o, --output <output>", "--no-color"] {
                #expect(result.out.contains("  " + option), "\(words)")
            }
        }
        for words in [["man"], ["key", "new"]] {
            let result = try await Command.run(words + global, database: nil)
            #expect(result.code == 0, "\(words): \(result.err)")
            #expect(!result.out.isEmpty)
        }
    }

    @Test(arguments: [([], 0), (["signup"], 4)] as [([String], Int)])
    func `A command that is only a group prints its help`(command: [String], place: Int) async throws {
        let result = try await Command.run(command, database: nil)
        #expect(result.out == HelpText.all[place].text + "\n")
        #expect(result.code == 0)
    }

    @Test(arguments: [0, 2 << 20])
    func `The version is the program's own, and standard input is left alone`(bytes: Int) async throws {
        let input = [UInt8](repeating: 0x0A, count: bytes)
        let result = try await Command.run(["--version"], database: nil, input: input)
        #expect(result.out == "0.1.0\n")
        #expect(result.code == 0)
    }
}
