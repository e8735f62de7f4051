/// `embark signup show`: all that is public about one signup.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct SignupShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one signup, its plan and its latest attempts.",
        discussion: """
            EXAMPLES
              embark signup show 4711
              embark signup show acme-7731
              embark signup show 4711 -o json | jq .state
            """
    )

    /// Attempts to show; a signup rarely has more.
    private static let attemptsMax: Int32 = 50

    @Argument(help: "The signup's id or its external id.") var signup: String

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        try await global.withConnection { connection in
            guard let found = try await SignupStore.find(signup, on: connection) else {
                throw CommandFailure(
                    .noSuchThing,
                    "no signup has the id or the external id \(signup). See: embark signup list"
                )
            }
            let attempts = try await SignupStore.attempts(of: found.id, limit: Self.attemptsMax, on: connection)
            guard output.format == .table else {
                // The signup's own object, with its history as one more member.
                let history = "[" + attempts.map(\.json.text).joined(separator: ",") + "]"
                return output.line(found.json.text.dropLast() + ", \"attempts\": " + history + "}")
            }
            show(found, output)
            if !attempts.isEmpty { show(attempts, output) }
        }
    }

    private func show(_ signup: FoundSignup, _ output: Output) {
        let state = SignupState(rawValue: signup.state)
        output.line(
            "Signup \(signup.id)  \(state.map { output.colored(signup.state, $0.color) } ?? signup.state)"
                + "  moved \(Output.age(signup.age)) ago"
        )
        let rows: [(String, String?)] = [
            ("External id", signup.externalID),
            ("Flow", signup.flow),
            ("WABA", signup.wabaID),
            ("Phone number", signup.phoneNumberID),
            ("Business", signup.businessID),
            ("Plan", plan(of: signup)),
            ("Job", signup.jobState.map { "\($0), due \(signup.dueAt.map { "\($0)" } ?? "-")" }),
            ("Waiting on", signup.waitingOn.map { "the \($0)" }),
            ("Error", [signup.errorCode, signup.errorMessage].compactMap(\.self).joined(separator: " ")),
            ("Last error", [signup.lastErrorCode, signup.lastErrorMessage].compactMap(\.self).joined(separator: " ")),
            ("Allocation", signup.allocationConfigID),
            ("Token ends", signup.tokenExpiresAt.map { "\($0)" }),
            ("Test message", signup.testMessageID),
            ("Warnings", signup.warnings.joined(separator: ", ")),
            ("Generation", "\(signup.generation)"),
            ("Created", "\(signup.createdAt)"),
        ]
        for (name, value) in rows {
            guard let value, !value.isEmpty else { continue }
            output.line(name.padding(toLength: 14, withPad: " ", startingAt: 0) + Output.oneLine(value))
        }
    }

    /// ✓ for what is done, ▶ for where it is, ✗ for where it stopped.
    private func plan(of signup: FoundSignup) -> String {
        let here = signup.step.flatMap { signup.plan.firstIndex(of: $0) }
        return signup.plan.enumerated().map { index, step in
            if signup.state == "completed" { return step + " ✓" }
            guard let here else { return step }
            if index < here { return step + " ✓" }
            if index > here { return step }
            return step + (signup.state == "failed" ? " ✗" : " ▶")
        }
        .joined(separator: "  ")
    }

    private func show(_ attempts: [ListedAttempt], _ output: Output) {
        output.line()
        output.table(
            header: ["FINISHED", "GEN", "STEP", "TRY", "VERDICT", "TOOK", "ERROR"],
            rows: attempts.map { attempt in
                [
                    "\(attempt.finishedAt)", "\(attempt.generation)", attempt.step, "\(attempt.attempt)",
                    attempt.verdict,
                    Output.length(attempt.took),
                    [attempt.errorCode, attempt.errorMessage].compactMap(\.self).joined(separator: " "),
                ]
            }
        )
    }
}
