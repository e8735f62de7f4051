/// How commands print: tables for people, JSON for programs, colours only on a terminal.
import Foundation
import OnboardingRuntime

struct Output {
    let format: OutputFormat
    private let usesColor: Bool

    init(format: OutputFormat, noColor: Bool) {
        self.format = format
        let environment = ProcessInfo.processInfo.environment
        usesColor = !noColor && environment["NO_COLOR", default: ""].isEmpty && isatty(STDOUT_FILENO) == 1
    }

    enum Color: String {
        case red = "31"
        case green = "32"
        case yellow = "33"
        case dim = "2"
    }

    func colored(_ text: String, _ color: Color) -> String {
        usesColor ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// JSON goes out as it is but for what a terminal would obey, which is escaped: the same value to whoever reads it.
    func line(_ text: String = "") {
        let text = format == .table ? text : TerminalText.escaped(json: text)
        StandardStreams.out(text + "\n")
    }

    /// For people who watch: not part of the result, and out of a pipe's way.
    func note(_ text: String) {
        StandardStreams.err(text + "\n")
    }

    /// JSON objects as an array or one a line.
    func objects(_ objects: [String]) {
        switch format {
        case .json: line(objects.isEmpty ? "[]" : "[\n" + objects.joined(separator: ",\n") + "\n]")
        case .jsonl: for object in objects { line(object) }
        case .table: assertionFailure("a table has no objects")
        }
    }

    func table(header: [String], rows: [[String]], color: (String) -> Color? = { _ in nil }) {
        let painted = { (cell: String, isHeader: Bool) in
            isHeader ? colored(cell, .dim) : color(cell).map { colored(cell, $0) } ?? cell
        }
        for text in Self.tableLines(header: header, rows: rows, painted: painted) { line(text) }
    }

    /// Columns as wide as their widest cell, two blanks between them; the last one is not padded. The header comes first.
    ///
    /// - Parameter painted: may add to a cell what takes no room; it hears whether it is the header's.
    static func tableLines(
        header: [String],
        rows: [[String]],
        painted: (String, Bool) -> String = { cell, _ in cell }
    ) -> [String] {
        let rows = [header] + rows.map(Self.cells)
        let widths = header.indices.map { column in rows.map { TerminalText.columns($0[column]) }.max() ?? 0 }
        return rows.enumerated().map { index, row in
            let cells = row.indices.map { column -> String in
                let isLast = column == row.count - 1
                let blanks = isLast ? 0 : widths[column] - TerminalText.columns(row[column])
                return painted(row[column], index == 0) + String(repeating: " ", count: blanks)
            }
            // Empty cells at the end leave blanks that nobody sees and every diff shows.
            let text = cells.joined(separator: "  ")
            return String(text[..<(text.lastIndex { $0 != " " }.map(text.index(after:)) ?? text.startIndex)])
        }
    }

    /// Columns of a cell that others stand behind, and of any text on one line: more than what Embark takes in or writes. What is longer
    /// was written past it, and would make every line of a page as long.
    private static let cellColumnsMax = 512
    private static let textColumnsMax = 2048

    private static func cells(_ row: [String]) -> [String] {
        row.enumerated().map { cut($1, $0 == row.count - 1 ? textColumnsMax : cellColumnsMax) }
    }

    private static func cut(_ text: String, _ columns: Int) -> String {
        let beginning = text.unicodeScalars.prefix(columns * 8)
        return TerminalText.clipped(printable(String(String.UnicodeScalarView(beginning))), columns)
    }

    /// The same on one line, and no longer than anything that Embark writes.
    static func oneLine(_ text: String) -> String { cut(text, textColumnsMax) }

    /// Text from elsewhere without what a terminal would obey.
    static func printable(_ text: String, keepingLines: Bool = false) -> String {
        TerminalText.printable(text, keepingLines: keepingLines)
    }

    /// The text as one word of a command for a shell.
    static func shellWord(_ text: String) -> String {
        let needsNone = !text.isEmpty && text.wholeMatch(of: /[A-Za-z0-9_.,:\/@%+=-]*/) != nil
        return needsNone ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }

    /// "12 min": the largest unit alone, as people say it.
    static func age(_ duration: Duration) -> String { duration.spoken }

    /// "1.20 s": how long one thing took.
    static func length(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        return milliseconds < 1000
            ? String(format: "%.0f ms", milliseconds) : String(format: "%.2f s", milliseconds / 1000)
    }

    /// A JSON string literal.
    static func quoted(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }

    /// A JSON object with the given members in order; values are JSON already.
    static func object(_ members: KeyValuePairs<String, String>) throws -> String {
        "{" + (try members.map { try quoted($0) + ":" + $1 }.joined(separator: ",")) + "}"
    }
}
