/// `embark why`: one card that says where a signup stopped, why, whose move it is, and what to type next.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say why a signup stopped, whose move it is, and what to do next.",
        discussion: """
            One screen: what Meta said, what that means, what is done so far, whether a
            replay is safe, and the next command, ready to paste.

            EXAMPLES
              embark why 4711
              embark why acme-7731
              embark why 4711 -o json | jq -r '.next[]'
            """
    )

    @Argument(help: "The signup's id or its external id.") var signup: String

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        guard
            let facts = try await global.withConnection({ try await SignupStore.card(of: signup, on: $0) })
        else {
            throw CommandFailure(
                .noSuchThing,
                "no signup has the id or the external id \(signup). See: embark signup list"
            )
        }
        let card = SignupCard(facts)
        guard output.format == .table else { return output.line(try json(facts, card)) }
        let lines = CardText(facts, card).lines
        let color = SignupState(rawValue: facts.state)?.color
        for line in lines {
            let standing = color == nil ? nil : line.range(of: card.standing)
            if let color, let standing, line.hasPrefix("SIGNUP") || line.hasPrefix(card.standing) {
                output.line(line.replacingCharacters(in: standing, with: output.colored(card.standing, color)))
            } else {
                output.line(line)
            }
        }
    }

    private func json(_ facts: SignupCardFacts, _ card: SignupCard) throws -> String {
        func text(_ value: String?) throws -> String { try value.map { try Output.quoted($0) } ?? "null" }
        func list(_ values: [String]) throws -> String {
            "[" + (try values.map { try Output.quoted($0) }.joined(separator: ",")) + "]"
        }
        return try Output.object([
            "id": text("\(facts.id)"),
            "external_id": text(facts.externalID),
            "waba_id": text(facts.wabaID),
            "phone_number_id": text(facts.phoneNumberID),
            "state": text(facts.state),
            "step": text(facts.step),
            "waiting_on": text(facts.waitingOn),
            "generation": "\(facts.generation)",
            "age_seconds": "\(facts.age.components.seconds)",
            "error_code": text(card.said?.code),
            "error_message": text(card.said?.message),
            "http_status": card.said?.httpStatus.map { "\($0)" } ?? "null",
            "fbtrace_id": text(card.said?.fbtraceID),
            "means": text(card.means),
            "move": text(card.move),
            "done": list(card.done),
            "allocation_config_id": text(facts.allocationConfigID),
            "warnings": list(facts.warnings),
            "replay": text(card.replay),
            "replay_from": text(card.replayFrom),
            "register_calls_72h": "\(facts.registerCalls)",
            "next": list(card.next),
        ])
    }
}
