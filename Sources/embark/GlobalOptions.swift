/// What every command takes.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct GlobalOptions: ParsableArguments {
    @Option(
        name: .customLong("database-url"),
        help: ArgumentHelp(
            "The database, as a PostgreSQL connection string (default: EMBARK_DATABASE_URL, then PGHOST and so on).",
            valueName: "url"
        )
    )
    var databaseURL: String?

    @Option(name: [.customShort("o"), .customLong("output")], help: "table, json or jsonl.")
    var format: OutputFormat = .table

    @Flag(name: .customLong("no-color"), help: "No colours, as with NO_COLOR; there are none in a pipe.")
    var noColor = false

    var output: Output { Output(format: format, noColor: noColor) }

    /// Where settings come from: these flags, then the environment.
    func sources() throws -> SettingSources {
        try SettingSources(
            flags: databaseURL.map { ["EMBARK_DATABASE_URL": $0] } ?? [:],
            environment: ProcessInfo.processInfo.environment
        )
    }

    /// The connection string itself, for processes that are started with it.
    func databaseURLText() throws -> String { try DatabaseSettings(sources: sources()).text }

    /// Opens a connection; the caller closes it.
    func connect() async throws -> Connection {
        let settings = try DatabaseSettings(sources: sources())
        return try await Connection.open(settings.connectionOptions(applicationName: "embark"))
    }

    /// Opens a connection for the length of `body`.
    func withConnection<Result>(_ body: (Connection) async throws -> Result) async throws -> Result {
        let connection = try await connect()
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// The parser wants options behind the command that they belong to; people also write them in front of it, or between
    /// the command and its subcommand.
    static func movedBehindCommand(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        var words: [String] = []
        var moved: [String] = []
        while let first = rest.first {
            if ["--database-url", "-o", "--output"].contains(first), rest.count > 1 {
                moved += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if first == "--no-color" || first.hasPrefix("--database-url=") || first.hasPrefix("--output=") {
                moved.append(first)
                rest = rest.dropFirst()
            } else if !first.hasPrefix("-") {
                words.append(first)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return words + Array(rest[..<end]) + moved + Array(rest[end...])
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, jsonl
}
