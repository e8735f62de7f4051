/// `embark replay`: lets a failed signup go on, from where it failed or from an earlier step.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Let a failed signup go on, from where it failed or earlier.",
        discussion: """
            Keeps all history and starts a new generation. What cannot work is refused with
            what to do instead (exit 2); embark why says it beforehand. An argument can be
            seen by every user of the machine while the command runs: give the code and the
            PIN as - to have them read from standard input, a line each, the code first.

            EXAMPLES
              embark replay 4711 --reason "Meta's outage is over"
              embark replay 4711 --pin - --reason "customer told us the PIN"
              embark replay acme-7731 --from exchange_code --code -
              embark replay 4711 --phone-number-id 106540352242922
            """
    )

    @Argument(help: "The signup's id or its external id.") var signup: String
    @Option(help: ArgumentHelp("The step to begin with (default: the one that failed).", valueName: "step"))
    var from: String?
    @Option(help: "A new code of the customer's; - reads it from standard input.") var code: String?
    @Option(help: "Another PIN; - reads it from standard input.") var pin: String?
    @Option(name: .customLong("phone-number-id"), help: ArgumentHelp("The number that is meant.", valueName: "id"))
    var phoneNumberID: String?
    @Option(help: ArgumentHelp("The currency to share the credit line in.", valueName: "code")) var currency: String?
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if let from, Step(rawValue: from) == nil {
            throw ValidationError(
                "--from must be a step: \(Step.allCases.map(\.rawValue).joined(separator: ", "))."
            )
        }
    }

    func run() async throws {
        let output = global.output
        let step = from.flatMap(Step.init(rawValue:))
        let code = try code.map { Secret(try StandardInput.valueOrLine($0, "--code")) }
        let pin = try pin.map { Secret(try StandardInput.valueOrLine($0, "--pin")) }
        let replayed = try await global.withConnection { connection in
            guard let found = try await SignupStore.find(signup, on: connection) else {
                throw CommandFailure(
                    .noSuchThing,
                    "no signup has the id or the external id \(signup). See: embark signup list"
                )
            }
            let first = step?.rawValue ?? found.step ?? "-"
            if output.format == .table, found.state == "failed" {
                let inputs = [
                    code.map { _ in "a new code" }, pin.map { _ in "another PIN" },
                    phoneNumberID.map { "number \($0)" },
                    currency.map { "currency \($0)" },
                ].compactMap(\.self)
                let with = inputs.isEmpty ? "" : ", with " + inputs.joined(separator: " and ")
                output.line("Replaying signup \(found.id) from \(Output.printable(first))\(with).")
            }
            let generation = try await SignupStore.replay(
                found.id,
                from: step,
                code: code,
                pin: pin,
                mending: .init(phoneNumberID: phoneNumberID, currency: currency),
                reason: reason,
                on: connection
            )
            return (id: found.id, step: first, generation: generation)
        }
        switch output.format {
        case .table:
            output.line("It runs again, as generation \(replayed.generation). See: embark why \(replayed.id)")
        case .json, .jsonl:
            output.line(
                try Output.object([
                    "id": "\"\(replayed.id)\"", "generation": "\(replayed.generation)",
                    "from_step": Output.quoted(replayed.step),
                ])
            )
        }
    }
}
