/// A signup's card as text: at most 24 lines of 80 columns, whatever stands in the database.
import Foundation
import Onboarding
import OnboardingRuntime

struct CardText {
    static let columns = 80
    static let linesMax = 24
    private static let labelColumns = 14
    private static let textColumns = columns - labelColumns

    let lines: [String]

    /// - Parameters:
    ///   - word: what was asked for.
    ///   - matches: what it may mean, the card's own signup first.
    init(_ facts: SignupCardFacts, _ card: SignupCard, word: String, matches: [SignupMatch]) {
        let whole = Sheet(facts, card, word: word, matches: matches, room: .wide).lines
        // The commands stand at the end, nearest to where they are typed: what gives way is what others have written.
        lines =
            whole.count <= Self.linesMax
            ? whole : Sheet(facts, card, word: word, matches: matches, room: .narrow).lines
    }

    /// How many lines each part may take.
    private struct Room {
        let message: Int
        let trace: Int
        let done: Int
        let replay: Int
        let others: Int

        static let wide = Room(message: 4, trace: 2, done: 5, replay: 3, others: 3)
        /// 24 lines in all, when every part takes what it may.
        static let narrow = Room(message: 3, trace: 1, done: 2, replay: 2, others: 3)
    }

    private struct Sheet {
        private(set) var lines: [String] = []

        init(_ facts: SignupCardFacts, _ card: SignupCard, word: String, matches: [SignupMatch], room: Room) {
            head(facts, card)
            if let found = matches.first, found.foundBy != .id { field("Found by", found.how(word), linesMax: 1) }
            if let said = card.said {
                field(
                    said.isMetas ? "Meta said" : "Error",
                    said.code + " " + said.message,
                    linesMax: room.message
                )
                let more = [said.httpStatus.map { "HTTP \($0)" }, said.fbtraceID.map { "fbtrace \($0)" }]
                    .compactMap(\.self)
                if !more.isEmpty { field("", more.joined(separator: "   "), linesMax: room.trace) }
            }
            field("Means", card.means, linesMax: 3)
            field("Whose move", card.move, linesMax: 2)
            field("Done so far", Self.done(facts, card), linesMax: room.done)
            field("Replay", card.replay, linesMax: room.replay)
            if let sql = card.upstreamSQL { upstream(sql) }
            others(Array(matches.dropFirst()), word, linesMax: room.others)
            for (index, command) in card.next.commands.enumerated() {
                let label = index == 0 ? "Next" : card.next.isChoice ? "Or" : "Then"
                add(label, Self.broken(command))
            }
            lines = lines.map { $0.replacing("\u{A0}", with: " ") }
        }

        /// On one line where there is room: who it is, where it stands, since when.
        private mutating func head(_ facts: SignupCardFacts, _ card: SignupCard) {
            var names = "SIGNUP \(facts.id)"
            if let externalID = facts.externalID { names += "  " + Self.shown(externalID, 24) }
            if let wabaID = facts.wabaID { names += "  WABA " + Self.shown(wabaID, 32) }
            let standing = Self.shown(card.standing, 60) + "   \(Output.age(facts.age)) ago"
            let room = columns - TerminalText.columns(names) - TerminalText.columns(standing)
            if room >= 3 {
                lines.append(names + String(repeating: " ", count: room) + standing)
            } else {
                lines += [TerminalText.cut(names, columns), TerminalText.cut(standing, columns)]
            }
        }

        private static func done(_ facts: SignupCardFacts, _ card: SignupCard) -> String {
            let done = card.done.map { step in
                // Blanks that do not break keep a step and its mark on one line.
                let fact = step == "share_credit_line" ? facts.allocationConfigID.map { "\u{A0}\($0)" } ?? "" : ""
                return step + "\u{A0}✓" + fact
            }
            let skipped = card.skipped.map { $0 + "\u{A0}skipped" }
            return done.isEmpty && skipped.isEmpty ? "nothing" : (done + skipped).joined(separator: "  ")
        }

        /// One that would have to be broken inside its text could not be pasted: then there is none.
        private mutating func upstream(_ sql: String) {
            if TerminalText.columns(sql) <= textColumns {
                add("Upstream", [sql])
            } else if let comma = sql.range(of: ", 'CODE'"),
                sql.distance(from: sql.startIndex, to: comma.lowerBound) < textColumns
            {
                add("Upstream", [sql[..<comma.lowerBound] + ",", "  " + sql[comma.lowerBound...].dropFirst(2)])
            }
        }

        private mutating func others(_ others: [SignupMatch], _ word: String, linesMax: Int) {
            guard let first = others.first else { return }
            let shown = others.count > linesMax ? others.prefix(linesMax - 1) : others[...]
            let command = shown.map { "embark why \($0.id)" }.map(\.count).max() ?? 0
            var texts = shown.map { other in
                let pad = String(repeating: " ", count: command - "embark why \(other.id)".count)
                return "embark why \(other.id)\(pad)   " + other.standing
            }
            if others.count > shown.count {
                let mark = others.count + 1 == SignupStore.matchesMax ? "+" : ""
                let count = "\(others.count - shown.count)\(mark) more"
                let line = first.foundBy.list(word).map { "\(count): \($0)" }
                texts.append(line.flatMap { $0.count <= textColumns ? $0 : nil } ?? count)
            }
            add("Others", texts.map { Self.shown($0, textColumns) })
        }

        private mutating func field(_ label: String, _ text: String, linesMax: Int) {
            // A character has several scalars at most when it is shown, and no more of a megabyte is looked at than that.
            let scalars = text.unicodeScalars.prefix(textColumns * (linesMax + 1) * 8)
            let text = TerminalText.printable(String(String.UnicodeScalarView(scalars)))
            let lines = TerminalText.wrapped(text, columns: textColumns, linesMax: linesMax)
            add(label, lines.isEmpty ? ["-"] : lines)
        }

        private mutating func add(_ label: String, _ texts: [String]) {
            for (index, text) in texts.enumerated() {
                let label = index == 0 ? label : ""
                lines.append(label + String(repeating: " ", count: labelColumns - label.count) + text)
            }
        }

        /// A command that a shell still takes when it does not fit on a line.
        private static func broken(_ command: String) -> [String] {
            guard command.count > textColumns, let place = command.range(of: " --") else { return [command] }
            return [command[..<place.lowerBound] + " \\", "  " + command[place.lowerBound...].dropFirst()]
        }

        private static func shown(_ text: String, _ columns: Int) -> String {
            let scalars = text.unicodeScalars.prefix(columns * 8)
            return TerminalText.cut(TerminalText.printable(String(String.UnicodeScalarView(scalars))), columns)
        }
    }
}

extension SignupMatch {
    /// "FAILED at register_phone, 133005, 2 h ago".
    fileprivate var standing: String {
        let place = step.map { " at \($0)" } ?? ""
        let code = errorCode.map { ", \($0)" } ?? ""
        return "\(state.uppercased())\(place)\(code), \(Output.age(age)) ago"
            + (foundBy == .externalID ? ", by its external id" : "")
    }

    /// What the word is to the signup.
    fileprivate func how(_ word: String) -> String {
        switch foundBy {
        case .id: "id \(word)"
        case .externalID: "external id \(word)"
        case .wabaID: "WABA \(word)"
        case .phoneNumberID: "phone number id \(word)"
        case .fbtraceID: "fbtrace \(word)" + (callStep.map { ", a call of \($0)" } ?? "")
        }
    }
}

extension SignupMatch.Kind {
    /// The command that lists all that were found in this way, page by page; nil where there is none.
    fileprivate func list(_ word: String) -> String? {
        switch self {
        case .wabaID: Installation.isGraphID(word) ? "embark signup list --waba \(word)" : nil
        case .id, .externalID, .phoneNumberID, .fbtraceID: nil
        }
    }
}
