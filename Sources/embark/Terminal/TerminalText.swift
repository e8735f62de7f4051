/// Text from elsewhere on a terminal: how many columns it takes, where it may be broken, and nothing that is obeyed.
///
/// Terminals differ about joined emoji, flags and selectors. What is counted here is what the most literal of them needs,
/// so no line is longer than it was reckoned.

enum TerminalText {
    /// Combining marks and joiners in a row; what is beyond is dropped, for a screen cannot show it and it has no end.
    private static let marksMax = 4
    /// Columns of a character that is kept together; a longer chain of joined ones is broken anywhere.
    private static let unbrokenColumnsMax = 8

    // MARK: What may be shown

    /// The text without what a terminal would obey or not show: controls, directions, invisible characters.
    static func printable(_ text: String, keepingLines: Bool = false) -> String {
        var shown = String.UnicodeScalarView()
        var marks = 0
        for scalar in text.unicodeScalars {
            if keepingLines, scalar == "\n" {
                shown.append(scalar)
            } else if scalar == "\t" {
                shown.append(" ")
            } else if isObeyed(scalar) {
                shown.append("\u{FFFD}")
            } else {
                marks = columns(scalar) == 0 ? marks + 1 : 0
                if marks <= marksMax { shown.append(scalar) }
            }
        }
        return String(shown)
    }

    /// JSON with its controls as escapes, which only stand inside its strings: PostgreSQL and Foundation leave those behind ASCII as they
    /// are.
    static func escaped(json: String) -> String {
        var json = json
        let isPlain = json.withUTF8 { utf8 in utf8.allSatisfy { (0x20..<0x7F).contains($0) || $0 == UInt8(ascii: "\n") }
        }
        if isPlain { return json }
        let scalars = json.unicodeScalars
        var shown = ""
        var plain = json.startIndex
        for (index, scalar) in zip(scalars.indices, scalars) where isObeyed(scalar) && scalar != "\n" {
            shown += json[plain..<index]
            shown += String(scalar).utf16.map(escape).joined()
            plain = scalars.index(after: index)
        }
        return plain == json.startIndex ? json : shown + json[plain...]
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    private static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
        // Nearly all there is, and looking up a category is dear.
        if (0x20..<0x7F).contains(scalar.value) { return false }
        return switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate: true
        // Directions, tags and what has no width. Joiners are part of scripts and emoji.
        case .format: scalar != "\u{200C}" && scalar != "\u{200D}"
        default: false
        }
    }

    // MARK: Columns

    static func columns(_ text: some StringProtocol) -> Int {
        text.unicodeScalars.reduce(0) { $0 + columns($1) }
    }

    private static func columns(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        switch scalar.properties.generalCategory {
        // The selector that makes the symbol before it an emoji makes it wide.
        case .nonspacingMark, .enclosingMark: return scalar == "\u{FE0F}" ? 1 : 0
        case .format: return 0
        default: return isWide(scalar) ? 2 : 1
        }
    }

    /// East Asian Width "wide" and "full-width" (Unicode Standard Annex 11), by blocks, and emoji.
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF,
            0x1D300...0x1D37F, 0x1F000...0x1FBEF, 0x20000...0x3FFFD:
            true
        default: scalar.properties.isEmojiPresentation || scalar.properties.isEmojiModifier
        }
    }

    // MARK: Breaking

    /// At most so many columns; what does not fit ends with an ellipsis.
    static func cut(_ text: String, _ limit: Int) -> String { wrapped(text, columns: limit, linesMax: 1).first ?? "" }

    /// As much of a line as fits, its blanks as they are, an ellipsis in place of the rest.
    static func clipped(_ line: String, _ limit: Int) -> String {
        guard columns(line) > limit else { return line }
        guard limit > 0 else { return "" }
        var used = 1
        let kept = line.unicodeScalars.prefix { scalar in
            used += columns(scalar)
            return used <= limit
        }
        return String(kept) + "…"
    }

    /// Breaks at blanks, and inside a word that is longer than a line. What does not fit ends with an ellipsis.
    static func wrapped(_ text: String, columns limit: Int, linesMax: Int) -> [String] {
        // No limit is Int.max.
        let (shownMax, isUnlimited) = limit.multipliedReportingOverflow(by: linesMax == .max ? .max : linesMax + 1)
        let wordMax = isUnlimited ? .max : shownMax
        var breaker = LineBreaker(limit: limit)
        var rest = text[...]
        while !rest.isEmpty, breaker.lines.count < linesMax {
            let blanks = rest.prefix { $0 == " " }
            rest = rest.dropFirst(blanks.count)
            // A word of any length, of which no more is looked at than can be shown.
            let word = rest.prefix(wordMax).prefix { $0 != " " }
            rest = rest.dropFirst(word.count)
            breaker.add(word.flatMap(unbroken), behind: blanks.count)
        }
        let lines = breaker.finish()
        guard lines.count > linesMax || !rest.isEmpty else { return lines }
        return lines.prefix(linesMax - 1) + [ellipsis(lines[linesMax - 1], limit)]
    }

    private static func ellipsis(_ line: String, _ limit: Int) -> String {
        var line = line
        while columns(line) >= limit { line.unicodeScalars.removeLast() }
        return line + "…"
    }

    private static func unbroken(_ character: Character) -> [String] {
        let text = String(character)
        guard columns(text) > unbrokenColumnsMax else { return [text] }
        return text.unicodeScalars.map { String($0) }
    }

    private struct LineBreaker {
        let limit: Int
        private(set) var lines: [String] = []
        private var line = ""
        private var used = 0

        init(limit: Int) { self.limit = limit }

        mutating func add(_ pieces: [String], behind blanks: Int) {
            let needed = pieces.reduce(0) { $0 + columns($1) }
            if used > 0, used + blanks + needed > limit { flush() }
            if used > 0 {
                line += String(repeating: " ", count: blanks)
                used += blanks
            }
            for piece in pieces {
                if used + columns(piece) > limit { flush() }
                line += piece
                used += columns(piece)
            }
        }

        mutating func finish() -> [String] {
            flush()
            return lines
        }

        private mutating func flush() {
            if used > 0 { lines.append(line) }
            line = ""
            used = 0
        }
    }
}
