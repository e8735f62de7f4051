/// `embark skip`: leaves out the step at which a signup failed.
import ArgumentParser
import OnboardingRuntime
import Postgres

struct SkipCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skip",
        abstract: "Leave out the step at which a signup failed.",
        discussion: """
            For a step that has been done otherwise, or is not needed: the signup goes on
            behind it, as a new generation. Nothing is checked: what the step was for is
            your word. The exchange cannot be skipped; an uncertain effect is resolved.

            EXAMPLES
              embark skip 4711 --reason "the number is registered in WhatsApp Manager"
              embark skip acme-7731 --reason "the customer pays by card"
            """
    )

    @Argument(help: "The signup's id or its external id.") var signup: String
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let (found, place) = try await global.withConnection { connection in
            let found = try await NamedSignup.find(signup, on: connection)
            return (found, try await SignupStore.skip(found.id, reason: reason, on: connection))
        }
        let id = found.id
        switch output.format {
        case .table:
            let step = found.step.map { Output.printable($0) } ?? "-"
            let next = place == "completed" ? "is completed" : "goes on at \(Output.printable(place))"
            output.line("Signup \(id) \(next), without \(step). See: embark why \(id)")
        case .json, .jsonl:
            output.line(
                try Output.object([
                    "id": "\"\(id)\"", "skipped_step": try found.step.map(Output.quoted) ?? "null",
                    "goes_on_at": Output.quoted(place),
                ])
            )
        }
    }
}
