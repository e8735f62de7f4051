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
            your word. The exchange cannot be skipped; an uncertain effect is resolved. One
            that somebody else has let go on meanwhile is refused.

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
        let (id, step, place) = try await global.withConnection { connection in
            let found = try await NamedSignup.find(signup, on: connection)
            let (step, place) = try await NamedSignup.acting(on: found.id) {
                try await SignupStore.skip(
                    found.id,
                    generation: found.generation,
                    reason: reason,
                    on: connection
                )
            }
            return (found.id, step, place)
        }
        switch output.format {
        case .table:
            let next = place == "completed" ? "is completed" : "goes on at \(Output.printable(place))"
            output.line("Signup \(id) \(next), without \(Output.printable(step)). See: embark why \(id)")
        case .json, .jsonl:
            output.line(
                try Output.object([
                    "id": "\"\(id)\"", "skipped_step": Output.quoted(step),
                    "goes_on_at": Output.quoted(place),
                ])
            )
        }
    }
}
