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
            On a terminal it is shown anew every 2 seconds until q or Ctrl-C, and stays
            when the database goes away; with --once, in a pipe and as JSON it is shown
            once. Counts end at 10,000, those of a minute at 100,000, to stay quick.

            EXAMPLES
              embark top
              embark top --once
              embark top --once -o json | jq '.jobs[] | select(.oldest_due_seconds > 60)'
            """
    )

    @Flag(help: "Show one snapshot and end.") var once = false

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        if !once, output.format == .table, isatty(STDOUT_FILENO) == 1 {
            let settings = try DatabaseSettings(sources: global.sources())
            return try await LiveTop(options: settings.connectionOptions(applicationName: "embark top")).run()
        }
        let json = try await global.withConnection { try await SignupStore.snapshot(on: $0).text }
        guard output.format == .table else { return output.line(json) }
        for line in TopPage(try TopSnapshot(json: json)).lines() {
            output.line(line.style.map { output.colored(line.text, $0) } ?? line.text)
        }
    }
}
