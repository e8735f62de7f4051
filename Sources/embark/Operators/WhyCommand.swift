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

            Takes whatever an alert, a log or a customer names: a signup's id, its external
            id, its account (WABA), its number, or the fbtrace id of a call that failed
            (Meta names no other). Where a word could be several of them the first in this
            order counts. Of several signups the one that failed last is shown, with the
            others under it.

            EXAMPLES
              embark why 4711
              embark why acme-7731
              embark why 102290129340398                   the account, or the number
              embark why AbCdEfGhIjKlMnOpQrStUv            an fbtrace id
              embark why 4711 -o json | jq -r '.next[]'
            """
    )

    @Argument(help: "An id, an external id, a WABA, a phone number id or an fbtrace id.") var anything: String

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        // What was copied from elsewhere often brings a blank with it.
        let word = anything.trimmingCharacters(in: .whitespacesAndNewlines)
        let (matches, found) = try await global.withConnection { connection in
            let matches = try await SignupStore.search(word, on: connection)
            guard let first = matches.first else { return (matches, SignupCardFacts?.none) }
            return (matches, try await SignupStore.card(of: "\(first.id)", on: connection))
        }
        guard let facts = found else {
            throw CommandFailure(
                .noSuchThing,
                "no signup has the id, external id, WABA or phone number id \(TerminalText.cut(word, 64)), and no failed call"
                    + " that fbtrace id. See: embark signup list"
            )
        }
        let card = SignupCard(facts)
        guard output.format == .table else { return output.line(try CardJSON.text(facts, card, matches: matches)) }
        let text = CardText(facts, card, word: word, matches: matches)
        for (place, line) in text.lines.enumerated() {
            output.line(place < 2 ? colored(line, facts, card, output) : line)
        }
    }

    /// The standing stands on the first line or, where that had no room, on the second.
    private func colored(_ line: String, _ facts: SignupCardFacts, _ card: SignupCard, _ output: Output) -> String {
        guard let color = SignupState(rawValue: facts.state)?.color, let standing = line.range(of: card.standing) else {
            return line
        }
        return line.replacingCharacters(in: standing, with: output.colored(card.standing, color))
    }
}
