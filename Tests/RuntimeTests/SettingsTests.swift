/// Where a setting comes from, and what is said when it cannot be used.
import Foundation
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.timeLimit(.minutes(10))) struct SettingsTests {
    /// Each source names another host, so that the description of the connection tells which one was read.
    private static let sources = [
        "flag": "postgresql://from-flag/db", "environment": "postgresql://from-environment/db",
        "file": "postgresql://from-file/db", "credentials": "postgresql://from-credentials/db",
    ]

    struct Case: Sendable, CustomTestStringConvertible {
        let given: [String]
        let wins: String
        var testDescription: String { "\(given.joined(separator: ", ")): \(wins)" }
    }

    static let order = [
        Case(given: ["flag", "environment", "file", "credentials"], wins: "from-flag"),
        Case(given: ["flag", "credentials"], wins: "from-flag"),
        Case(given: ["environment", "file", "credentials"], wins: "from-environment"),
        Case(given: ["environment", "credentials"], wins: "from-environment"),
        Case(given: ["file", "credentials"], wins: "from-file"),
        Case(given: ["credentials"], wins: "from-credentials"),
    ]

    @Test(arguments: order)
    func `A flag goes before the environment, that before its file, and that before the credentials`(
        source: Case
    ) throws {
        try withFolder { folder in
            var flags: [String: String] = [:]
            var environment: [String: String] = [:]
            if source.given.contains("flag") { flags["EMBARK_DATABASE_URL"] = Self.sources["flag"] }
            if source.given.contains("environment") { environment["EMBARK_DATABASE_URL"] = Self.sources["environment"] }
            if source.given.contains("file") {
                environment["EMBARK_DATABASE_URL_FILE"] = try write(Self.sources["file"] ?? "", folder, "named")
            }
            if source.given.contains("credentials") {
                _ = try write(Self.sources["credentials"] ?? "", folder, "EMBARK_DATABASE_URL")
                environment["CREDENTIALS_DIRECTORY"] = folder
            }
            let shown = try address(flags, environment)
            #expect(shown.hasPrefix(source.wins + ":5432/db"))
        }
    }

    @Test func `Without any source libpq's own variables decide`() async throws {
        let result = try await Command.run(
            ["signup", "list"],
            database: nil,
            environment: ["PGHOST": "127.0.0.1", "PGPORT": "1", "PGDATABASE": "from-libpq", "PGUSER": "somebody"]
        )
        #expect(result.err.contains("cannot connect to 127.0.0.1:1/from-libpq as somebody"))
        #expect(result.code == 69)
    }

    @Test func `A credentials directory without the setting's file is no error`() throws {
        try withFolder { folder in
            let environment = [
                "CREDENTIALS_DIRECTORY": folder, "EMBARK_DATABASE_URL": "postgresql://from-environment/db",
            ]
            let shown = try address([:], environment)
            #expect(shown.hasPrefix("from-environment:"))
        }
    }

    @Test(arguments: [
        ("", "/db as"), ("\n", "/db as"), ("\r\n", "/db as"), ("\n\n", "/db\n as"), (" ", "/db  as"),
        ("\n ", "/db\n  as"),
    ])
    func `One line end behind the value is dropped, and nothing else`(end: String, shown: String) throws {
        // A URI's database reaches to the very end of the text.
        try withFolder { folder in
            let path = try write("postgresql://host/db" + end, folder, "named")
            let address = try address([:], ["EMBARK_DATABASE_URL_FILE": path])
            #expect(address.contains(shown))
        }
    }

    struct BadFile: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]?
        let reason: String
    }

    static let badFiles = [
        BadFile(testDescription: "missing", bytes: nil, reason: "it cannot be opened and read"),
        BadFile(
            testDescription: "too large",
            bytes: Array("canary-".utf8) + [UInt8](repeating: 0x61, count: 64 * 1024),
            reason: "it is larger than 64 KiB"
        ),
        BadFile(
            testDescription: "not UTF-8",
            bytes: Array("canary-".utf8) + [0xFF, 0xFE],
            reason: "it is not UTF-8 text"
        ),
    ]

    @Test(arguments: badFiles, ["EMBARK_DATABASE_URL_FILE", "CREDENTIALS_DIRECTORY"])
    func `A file that cannot be used is an error that names the variable and the path and shows nothing of it`(
        file: BadFile,
        source: String
    ) throws {
        // A credential that is not there is one that nobody gave.
        if file.bytes == nil, source == "CREDENTIALS_DIRECTORY" { return }
        try withFolder { folder in
            let path = folder + "/EMBARK_DATABASE_URL"
            if let bytes = file.bytes { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
            let value = source == "CREDENTIALS_DIRECTORY" ? folder : path
            let error = #expect(throws: SettingsError.self) { _ = try SettingSources(environment: [source: value]) }
            #expect(
                error
                    == .unreadableFile(name: "EMBARK_DATABASE_URL", source: source, path: path, reason: file.reason)
            )
            let text = "EMBARK_DATABASE_URL: the file \(path), named by \(source), cannot be used: \(file.reason)"
            #expect(error?.description == text)
        }
    }

    @Test func `A folder in the place of a file is an error, too`() throws {
        try withFolder { folder in
            let error = #expect(throws: SettingsError.self) {
                _ = try SettingSources(environment: ["EMBARK_DATABASE_URL_FILE": folder])
            }
            #expect(error?.description.contains("cannot be opened and read") == true)
        }
    }

    @Test func `A file of exactly the allowed size is read`() throws {
        try withFolder { folder in
            let beginning = "host=db application_name="
            let filler = String(repeating: "x", count: 64 * 1024 - beginning.utf8.count)
            let path = try write(beginning + filler, folder, "named")
            let shown = try address([:], ["EMBARK_DATABASE_URL_FILE": path])
            #expect(shown.hasPrefix("db:5432"))
        }
    }

    @Test func `The command ends with 78 and names the file that it cannot use`() async throws {
        let result = try await Command.run(
            ["signup", "list"],
            database: nil,
            environment: ["EMBARK_DATABASE_URL_FILE": "/nonexistent/url"]
        )
        #expect(result.code == 78)
        #expect(result.out == "")
        #expect(
            result.err == """
                embark: EMBARK_DATABASE_URL: the file /nonexistent/url, named by EMBARK_DATABASE_URL_FILE, cannot be used: \
                it cannot be opened and read

                """
        )
    }

    static let malformed = [
        "postgresql://someone:canary@h:port/", "host=h canary", "postgresql://someone:can/ary@h/db", "canary",
        "postgresql://someone:canary@host:5432/db?nonsense=canary", "host='canary",
    ]

    @Test(arguments: malformed, ["flag", "environment", "file"])
    func `A malformed connection string ends with 78 and shows nothing of it`(text: String, source: String) async throws
    {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let result =
            switch source {
            case "flag": try await Command.run(["signup", "list", "--database-url", text], database: nil)
            case "environment": try await Command.run(["signup", "list"], database: text)
            default:
                try await Command.run(
                    ["signup", "list"],
                    database: nil,
                    environment: ["EMBARK_DATABASE_URL_FILE": try write(text, folder, "url")]
                )
            }
        #expect(result.code == 78)
        #expect(result.out == "")
        #expect(
            result.err == """
                embark: EMBARK_DATABASE_URL must be a PostgreSQL connection string: postgresql://USER@HOST:5432/DATABASE

                """
        )
    }

    private func address(_ flags: [String: String], _ environment: [String: String]) throws -> String {
        let sources = try SettingSources(flags: flags, environment: environment)
        return try DatabaseSettings(sources: sources).connectionOptions(applicationName: "tests").description
    }

    private func write(_ text: String, _ folder: String, _ name: String) throws -> String {
        let path = folder + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func makeFolder() throws -> String {
        let path = NSTemporaryDirectory() + "embark-settings-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try makeFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
