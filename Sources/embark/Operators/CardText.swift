/// A signup's card as text: at most 24 lines of 80 columns, whatever stands in the database.
import Foundation
import OnboardingRuntime

struct CardText {
    static let columns = 80
    static let linesMax = 24
    private static let labelColumns = 14

    private(set) var lines: [String] = []

    init(_ facts: SignupCardFacts, _ card: SignupCard) {
        head(facts, card)
        if let said = card.said {
            field(said.isMetas ? "Meta said" : "Error", said.code + " " + said.message, linesMax: 4)
            let more = [said.httpStatus.map { "HTTP \($0)" }, said.fbtraceID.map { "fbtrace \($0)" }].compactMap(\.self)
            if !more.isEmpty { field("", more.joined(separator: "   "), linesMax: 2) }
        }
        field("Means", card.means, linesMax: 3)
        field("Whose move", card.move, linesMax: 2)
        let done = card.done.map { step in
            // Blanks that do not break keep a step and its mark on one line.
            let fact = step == "share_credit_line" ? facts.allocationConfigID.map { "\u{A0}\($0)" } ?? "" : ""
            return step + "\u{A0}✓" + fact
        }
        field("Done so far", done.isEmpty ? "nothing" : done.joined(separator: "  "), linesMax: 5)
        field("Replay", card.replay, linesMax: 2)
        for (index, command) in card.next.enumerated() { add(index == 0 ? "Next" : "", Self.broken(command)) }
        lines = lines.prefix(Self.linesMax).map { $0.replacing("\u{A0}", with: " ") }
    }

    /// On one line where there is room: who it is, where it stands, since when.
    private mutating func head(_ facts: SignupCardFacts, _ card: SignupCard) {
        var names = "SIGNUP \(facts.id)"
        if let externalID = facts.externalID { names += "  " + Self.cut(Output.printable(externalID), 24) }
        if let wabaID = facts.wabaID { names += "  WABA " + Self.cut(Output.printable(wabaID), 32) }
        let standing = Output.printable(card.standing) + "   \(Output.age(facts.age)) ago"
        let room = Self.columns - names.count - standing.count
        if room >= 3 {
            lines.append(names + String(repeating: " ", count: room) + standing)
        } else {
            lines += [Self.cut(names, Self.columns), Self.cut(standing, Self.columns)]
        }
    }

    private mutating func field(_ label: String, _ text: String, linesMax: Int) {
        add(label, Self.wrapped(Output.printable(text), columns: Self.columns - Self.labelColumns, linesMax: linesMax))
    }

    private mutating func add(_ label: String, _ texts: [String]) {
        for (index, text) in texts.enumerated() {
            let label = index == 0 ? label : ""
            lines.append(label + String(repeating: " ", count: Self.labelColumns - label.count) + text)
        }
    }

    /// Breaks at blanks, and inside a word that is longer than a line. What does not fit ends with an ellipsis.
    static func wrapped(_ text: String, columns: Int, linesMax: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        var rest = text[...]
        while !rest.isEmpty {
            let blanks = rest.prefix { $0 == " " }
            rest = rest.dropFirst(blanks.count)
            let word = rest.prefix { $0 != " " }
            guard !word.isEmpty else { break }
            if !line.isEmpty, line.count + blanks.count + word.count > columns {
                lines.append(line)
                line = ""
            }
            let piece = word.prefix(columns)
            line += (line.isEmpty ? "" : String(blanks)) + piece
            rest = rest.dropFirst(piece.count)
            if lines.count == linesMax { break }
        }
        if !line.isEmpty { lines.append(line) }
        guard lines.count > linesMax else { return lines }
        return lines.prefix(linesMax - 1) + [
            cut(lines[linesMax - 1] + "……", min(columns, lines[linesMax - 1].count + 1))
        ]
    }

    /// A command that a shell still takes when it does not fit on a line.
    private static func broken(_ command: String) -> [String] {
        guard command.count > columns - labelColumns else { return [command] }
        guard let place = command.range(of: " --") else { return [command] }
        return [command[..<place.lowerBound] + " \\", "  " + command[place.lowerBound...].dropFirst()]
    }

    private static func cut(_ text: String, _ columns: Int) -> String {
        text.count <= columns ? text : text.prefix(columns - 1) + "…"
    }
}
