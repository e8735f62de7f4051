/// `embark cancel`: gives a signup up.
import ArgumentParser
import OnboardingRuntime
import Postgres

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Give a running or failed signup up, for good.",
        discussion: """
            Its job is deleted, its code erased, and upstream reads signup.cancelled. A
            call that is on its way moves nothing any more; what it tells is kept. What
            Meta has done stays done: a shared credit line is to be taken back by hand. It
            cannot be undone: the customer begins anew, with a new signup.

            EXAMPLES
              embark cancel 4711 --reason "the customer has changed their mind"
              embark cancel acme-7731 --reason "enqueued twice"
            """
    )

    @Argument(help: "The signup's id or its external id.") var signup: String
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        let (id, step) = try await global.withConnection { connection in
            let found = try await NamedSignup.find(signup, on: connection)
            let step = try await NamedSignup.acting(on: found.id) {
                try await SignupStore.cancel(found.id, reason: reason, on: connection)
            }
            return (found.id, step)
        }
        switch output.format {
        case .table:
            let place = step.map { " It stood at \(Output.printable($0))." } ?? ""
            output.line("Signup \(id) is cancelled.\(place) See: embark signup show \(id)")
        case .json, .jsonl:
            output.line(
                try Output.object(["id": "\"\(id)\"", "stood_at": try step.map(Output.quoted) ?? "null"])
            )
        }
    }
}
