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
            Looks at the database, the schema, the roles and their rights, the server's log
            settings and the installation. Changes nothing. Exit 1 when something FAILs.

            EXAMPLES
              embark doctor
              embark doctor -o jsonl | jq 'select(.level != "OK")'
            """
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let findings = try await global.withConnection { connection in
            await Doctor(connection: connection).examine(clock: Self.now)
        }
        switch output.format {
        case .table:
            let rows = findings.flatMap { finding in
                [[finding.level.rawValue, finding.subject, finding.message]]
                    + (finding.remedy.map { [["", "", "→ " + $0]] } ?? [])
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
        if findings.contains(where: { $0.level == .fail }) { throw CommandFailure(.failed, nil) }
    }

    private static func now() -> Timestamp {
        // 946,684,800 s lie between the Unix epoch and PostgreSQL's, 2000-01-01.
        Timestamp(microsecondsSince2000: Int64((Date().timeIntervalSince1970 - 946_684_800) * 1_000_000))
    }
}
