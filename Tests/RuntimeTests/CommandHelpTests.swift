/// The texts that people and manuals quote, whole.
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct CommandHelpTests {
    @Test(arguments: HelpText.all)
    func `Help is this text, to the letter`(help: HelpText) async throws {
        let result = try await Command.run(help.command + ["--help"], database: nil)
        #expect(result.out == help.text + "\n")
        #expect(result.err == "")
        #expect(result.code == 0)
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
