/// `embark doctor`: what is wrong with the set-up.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what is wrong with the set-up, each with its remedy.",
        discussion: """
            Looks at the database and the way to it, the schema and whether anybody altered
            it, roles and their rights, the server's log settings, what keeps it from
            cleaning up, pauses, tokens, jobs that nobody claims, workers, the sealing
            keys, and Graph. Changes nothing. What it knows of a worker's settings comes
            from the environment: run it where workers run. Exit 1 when something FAILs, 69
            when the database cannot be reached.

            EXAMPLES
              embark doctor
              embark doctor -o jsonl | jq 'select(.level != "OK")'
            """
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let sources = try global.sources()
        let options = try DatabaseSettings(sources: sources).connectionOptions(applicationName: "embark doctor")
        let report = await Doctor(options: options, settings: try DoctorSettings(sources: sources))
            .examine(clock: Self.now)
        let findings = report.findings
        switch output.format {
        case .table:
            // On a terminal in lines that fit, in a pipe each finding and each remedy on one.
            let columns = isatty(STDOUT_FILENO) == 1 ? max(Terminal.size().columns - Self.indent, 20) : Int.max
            let rows = findings.flatMap { finding in
                let words = Output.oneLine(finding.message)
                let texts =
                    TerminalText.wrapped(words, columns: columns, linesMax: .max)
                    + (finding.remedy.map { Self.arrow(Output.printable($0), columns) } ?? [])
                return texts.enumerated().map { index, text in
                    [index == 0 ? finding.level.rawValue : "", index == 0 ? finding.subject : "", text]
                }
            }
            output.table(header: ["", "CHECK", "FOUND"], rows: rows) { cell in
                switch cell {
                case "OK": .green
                case "WARN": .yellow
                case "FAIL": .red
                default: nil
                }
            }
        case .json, .jsonl:
            output.objects(
                try findings.map { finding in
                    try Output.object([
                        "level": Output.quoted(finding.level.rawValue),
                        "check": Output.quoted(finding.subject),
                        "message": Output.quoted(finding.message),
                        "remedy": finding.remedy.map { try Output.quoted($0) } ?? "null",
                    ])
                }
            )
        }
        if let error = report.unreachable { throw CommandFailure(database: error) }
        if findings.contains(where: { $0.level == .fail }) { throw CommandFailure(.failed, nil) }
    }

    /// Columns in front of what was found: the level, and the longest subject.
    private static let indent = 4 + 2 + "open snapshots".count + 2

    private static func arrow(_ remedy: String, _ columns: Int) -> [String] {
        TerminalText.wrapped(remedy, columns: columns == .max ? .max : columns - 2, linesMax: .max).enumerated()
            .map { ($0 == 0 ? "→ " : "  ") + $1 }
    }

    private static func now() -> Timestamp {
        // 946,684,800 s lie between the Unix epoch and PostgreSQL's, 2000-01-01.
        Timestamp(microsecondsSince2000: Int64((Date().timeIntervalSince1970 - 946_684_800) * 1_000_000))
    }
}
