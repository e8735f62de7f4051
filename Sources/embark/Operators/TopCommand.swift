/// `embark top`: how the whole database is doing, at a glance.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show states, failures, jobs, throughput and workers.",
        discussion: """
            On a terminal it is shown anew every 2 seconds until Ctrl-C; with --once, in a
            pipe and as JSON it is shown once. Counts end at 10,000, to stay quick.

            EXAMPLES
              embark top
              embark top --once
              embark top --once -o json | jq '.jobs[] | select(.oldest_due_seconds > 60)'
            """
    )

    /// Between two snapshots on a terminal.
    private static let interval = Duration.seconds(2)

    private static let decoder = {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }()

    @Flag(help: "Show one snapshot and end.") var once = false

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let isLive = !once && output.format == .table && isatty(STDOUT_FILENO) == 1
        try await global.withConnection { connection in
            repeat {
                let json = try await SignupStore.snapshot(on: connection).text
                guard output.format == .table else { return output.line(json) }
                let snapshot = try Self.decoder.decode(Snapshot.self, from: Data(json.utf8))
                // To the top left, and away with what stood there.
                if isLive { FileHandle.standardOutput.write(Data("\u{1B}[H\u{1B}[2J".utf8)) }
                show(snapshot, output)
                if isLive { try await Task.sleep(for: Self.interval) }
            } while isLive
        }
    }

    private func show(_ snapshot: Snapshot, _ output: Output) {
        let signups = snapshot.signups
        output.table(
            header: ["RUNNING", "ON CUSTOMER", "ON OPERATOR", "COMPLETED 24 H", "CANCELLED 24 H"],
            rows: [
                [
                    signups.running, signups.failedCustomer, signups.failedOperator, signups.completed24H,
                    signups.cancelled24H,
                ].map(Self.count)
            ]
        )
        let attempts = snapshot.attemptsLastMinute.sorted { $0.key < $1.key }.map {
            "\(Output.printable($0.key)) \($0.value)"
        }
        output.line()
        output.line("Attempts in the last minute: " + (attempts.isEmpty ? "none" : attempts.joined(separator: ", ")))
        section(
            "FAILED",
            output,
            ["SIGNUPS", "STEP", "ERROR", "WAITING ON", "FIRST", "LAST"],
            snapshot.failed.map { row in
                [
                    Self.count(row.signups), row.step ?? "-", row.errorCode ?? "-", row.waitingOn ?? "-",
                    Self.ago(Double(row.firstSecondsAgo)), Self.ago(Double(row.lastSecondsAgo)),
                ]
            }
        )
        section(
            "JOBS",
            output,
            ["STEP", "READY", "SCHEDULED", "RUNNING", "OLDEST DUE"],
            snapshot.jobs.map { row in
                [
                    row.step, Self.count(row.ready), Self.count(row.scheduled), Self.count(row.running),
                    row.ready == 0 ? "-" : Output.age(.seconds(row.oldestDueSeconds)),
                ]
            }
        )
        section(
            "WORKERS",
            output,
            ["ID", "HOST", "PID", "VERSION", "IN FLIGHT", "SEEN"],
            snapshot.workers.map { row in
                [
                    row.id, row.host, "\(row.pid)", row.version, "\(row.inFlight)", Self.ago(row.seenSecondsAgo),
                ]
            }
        )
    }

    private func section(_ title: String, _ output: Output, _ header: [String], _ rows: [[String]]) {
        output.line()
        if rows.isEmpty { return output.line("\(title): none") }
        output.line(title)
        output.table(header: header, rows: rows)
    }

    /// The query counts no further.
    private static func count(_ number: Int) -> String { number >= 10_000 ? "10,000+" : "\(number)" }

    private static func ago(_ seconds: Double) -> String { Output.age(.seconds(seconds)) + " ago" }

    /// The object that the database makes, in Swift's names.
    private struct Snapshot: Decodable {
        struct Signups: Decodable {
            let running, failedCustomer, failedOperator, completed24H, cancelled24H: Int
        }
        struct Failed: Decodable {
            let step, errorCode, waitingOn: String?
            let signups, firstSecondsAgo, lastSecondsAgo: Int
        }
        struct Jobs: Decodable {
            let step: String
            let ready, scheduled, running: Int
            let oldestDueSeconds: Double
        }
        struct Worker: Decodable {
            let id, host, version: String
            let pid, inFlight: Int
            let seenSecondsAgo: Double
        }

        let signups: Signups
        let failed: [Failed]
        let jobs: [Jobs]
        let attemptsLastMinute: [String: Int]
        let workers: [Worker]
    }
}
