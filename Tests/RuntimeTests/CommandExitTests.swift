/// What all commands have in common: exit codes, global options anywhere, and output that a program can take.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandExitTests {
    static let usage: [([String], String)] = [
        (["frobnicate"], "Error: Unexpected argument 'frobnicate'"),
        (["migrate", "--frobnicate"], "Error: Unknown option '--frobnicate'"),
        (["signup", "list", "--state", "stuck"], "Error: The value 'stuck' is invalid for '--state <state>'."),
        (
            ["signup", "list", "--waiting-on", "meta"],
            "Error: The value 'meta' is invalid for '--waiting-on <waiting-on>'."
        ),
        (["signup", "list", "--after", "x"], "Error: The value 'x' is invalid for '--after <id>'"),
        (["signup", "list", "--since", "yesterday"], "Error: The value 'yesterday' is invalid for '--since <time>'"),
        (["signup", "list", "--until", "2026-02-31"], "Error: The value '2026-02-31' is invalid for '--until <time>'"),
        (["signup", "list", "--step", "register"], "Error: The value 'register' is invalid for '--step <step>'"),
        (["health", "--timeout", "0"], "Error: --timeout must be 0.1 to 60."),
        (["signup", "show"], "Error: Missing expected argument '<signup>'"),
        (["signup", "show", "1", "2"], "Error: Unexpected argument '2'"),
        (["doctor", "-o", "yaml"], "Error: The value 'yaml' is invalid for '-o <output>'."),
        (["-o", "yaml", "doctor"], "Error: The value 'yaml' is invalid for '-o <output>'."),
        (["migrate", "--database-url"], "Error: Missing value for '--database-url <url>'"),
    ]

    @Test(arguments: usage)
    func `A mistake in the call ends with 64, on standard error alone`(
        arguments: [String],
        message: String
    ) async throws {
        let result = try await Command.run(arguments, database: TestDatabase.current.url)
        #expect(result.code == 64)
        #expect(result.out == "")
        #expect(result.err.hasPrefix(message))
    }

    private static let commands = [
        ["migrate"], ["migrate", "--check"], ["migrate", "--plan"], ["configure"], ["configure", "--app-id", "1"],
        ["signup", "list"], ["signup", "show", "1"], ["signup", "add", "--code", "a"], ["top"],
    ]

    @Test(arguments: commands)
    func `With nobody at the database's port every command ends with 69`(command: [String]) async throws {
        // Port 1 is nobody's.
        let result = try await Command.run(command, database: "postgresql://somebody:canary@127.0.0.1:1/nowhere")
        #expect(result.code == 69)
        #expect(result.out == "")
        let beginning = "embark: the database cannot be reached: cannot connect to 127.0.0.1:1/nowhere as somebody: "
        #expect(result.err.hasPrefix(beginning))
        #expect(!result.err.contains("canary"))
        #expect(!result.err.contains("\u{FFFD}"))
    }

    @Test func `JSON lines for a database that is not there end with 69, too`() async throws {
        let result = try await Command.run(
            ["signup", "add", "--json-lines", "-"],
            database: "postgresql://127.0.0.1:1/nowhere",
            input: Array("{}\n".utf8)
        )
        #expect(result.code == 69)
    }

    @Test(
        .database(.empty),
        arguments: [["configure"], ["signup", "list"], ["signup", "show", "1"], ["signup", "add", "--code", "a"]]
    )
    func `Without the schema a command says what to run`(command: [String]) async throws {
        let result = try await Command.run(command, database: TestDatabase.current.url)
        #expect(result.code == 1)
        #expect(result.out == "")
        #expect(result.err == "embark: the database has no schema of Embark, or an older one. Run: embark migrate\n")
    }

    @Test func `A database user without the right is told so, with exit 1`() async throws {
        let role = "exit_\(TestDatabase.current.name)"
        try await script("CREATE ROLE \(role) LOGIN")
        let login = try url(TestDatabase.current.url, user: role)
        for command in [["signup", "list"], ["configure"], ["signup", "add", "--code", "a", "--currency", "USD"]] {
            let result = try await Command.run(command, database: login)
            #expect(result.code == 1)
            #expect(result.err.hasPrefix("embark: this database user may not do that: "))
            #expect(result.err.contains("42501 insufficient_privilege"))
            #expect(result.err.hasSuffix("README, \"Roles\", says which role each command needs.\n"))
        }
        try await script("DROP ROLE \(role)")
    }

    static let placements: [[String]] = [
        ["--database-url", "URL", "-o", "json", "signup", "list"],
        ["signup", "--database-url", "URL", "list", "-o", "json"],
        ["--no-color", "signup", "-o", "json", "list", "--database-url=URL", "--limit", "1"],

        ["signup", "list", "--database-url", "URL", "-o", "json"],
        ["--database-url=URL", "--output=json", "signup", "list"],
        ["--no-color", "signup", "list", "--output", "json", "--database-url=URL"],
        ["-o", "json", "--no-color", "--database-url", "URL", "signup", "list", "--state", "running"],
        ["--output", "json", "signup", "list", "--no-color", "--database-url", "URL"],
    ]

    @Test(arguments: placements)
    func `Global options may stand in front of the command or behind it`(arguments: [String]) async throws {
        try await script(SampleSignups.many(1))
        let url = TestDatabase.current.url
        let result = try await Command.run(arguments.map { $0.replacing("URL", with: url) }, database: nil)
        #expect(result.code == 0, "\(result.err)")
        #expect(try result.objects().map { $0["id"] as? String } == ["1"])
    }

    @Test func `What stands behind a double dash is no option`() async throws {
        let result = try await Command.run(
            ["--database-url", TestDatabase.current.url, "-o", "json", "signup", "show", "--", "--no-color"],
            database: nil
        )
        #expect(result.code == 3)
        #expect(result.err == "embark: no signup has the id or the external id --no-color. See: embark signup list\n")
    }

    @Test func `A flag goes before the environment`() async throws {
        let result = try await Command.run(
            ["signup", "list", "--database-url", TestDatabase.current.url],
            database: "postgresql://127.0.0.1:1/nowhere"
        )
        #expect(result.code == 0)
    }

    @Test(arguments: ["table", "json", "jsonl"])
    func `In a pipe nothing is coloured, whatever the format`(format: String) async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.attempts)
        for command in [
            ["signup", "list"], ["signup", "show", "4"], ["doctor"], ["configure"], ["migrate", "--check"],
        ] {
            let result = try await Command.run(
                command + ["-o", format],
                database: TestDatabase.current.url,
                environment: ["TERM": "xterm-256color", "CLICOLOR_FORCE": "1"]
            )
            #expect(!result.all.contains("\u{1B}"))
            #expect(result.err == "")
            switch format {
            case "json": #expect(throws: Never.self) { try result.json() }
            case "jsonl": #expect(throws: Never.self) { try result.objectLines() }
            default: #expect(!result.out.split(separator: "\n").contains { $0.hasSuffix(" ") })
            }
        }
    }
}
