/// `embark resolve`: says whether the effect happened of which nothing could tell.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Say whether an uncertain call had its effect.",
        discussion: """
            For a signup that failed with effect_uncertain, once you have looked in Meta's
            Business Manager. If the effect happened, the step is done and the signup goes
            on behind it; if not, the step runs again. For a completed signup with the
            warning test_message_uncertain only the warning is set right. A signup that
            failed with credit_share_elsewhere takes the share over with --did-not-happen,
            once the signup that had it has ended, is not uncertain itself, and has sent
            nothing for two minutes. One that somebody else has let go on meanwhile is
            refused.

            EXAMPLES
              embark resolve 4711 --happened --reason "the line is on the account"
              embark resolve acme-7731 --did-not-happen --reason "no line there"
            """
    )

    enum Effect: String, EnumerableFlag {
        case happened, didNotHappen

        static func help(for value: Effect) -> ArgumentHelp? {
            switch value {
            case .happened: "The effect is there."
            case .didNotHappen: "It is not there."
            }
        }
    }

    @Argument(help: "The signup's id or its external id.") var signup: String
    @Flag var effect: Effect
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let (id, place) = try await global.withConnection { connection in
            let found = try await NamedSignup.find(signup, on: connection)
            let place = try await NamedSignup.acting(on: found.id) {
                try await SignupStore.resolve(
                    found.id,
                    happened: effect == .happened,
                    generation: found.generation,
                    reason: reason,
                    on: connection
                )
            }
            return (found.id, place)
        }
        switch output.format {
        case .table where place == "completed":
            output.line("Signup \(id) is completed. See: embark why \(id)")
        case .table:
            output.line("Signup \(id) goes on at \(Output.printable(place)). See: embark why \(id)")
        case .json, .jsonl:
            output.line(try Output.object(["id": "\"\(id)\"", "goes_on_at": Output.quoted(place)]))
        }
    }
}
