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

    func line(_ text: String = "") {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// For people who watch: not part of the result, and out of a pipe's way.
    func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// JSON objects as an array or one a line.
    func objects(_ objects: [String]) {
        switch format {
        case .json: line(objects.isEmpty ? "[]" : "[\n" + objects.joined(separator: ",\n") + "\n]")
        case .jsonl: for object in objects { line(object) }
        case .table: assertionFailure("a table has no objects")
        }
    }

    /// Columns as wide as their widest cell, two blanks between them; the last one is not padded.
    func table(header: [String], rows: [[String]], color: (String) -> Color? = { _ in nil }) {
        let rows = rows.map { $0.map { Self.printable($0) } }
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        for (index, row) in ([header] + rows).enumerated() {
            let cells = row.indices.map { column -> String in
                let isLast = column == row.count - 1
                let padding =
                    isLast ? "" : String(repeating: " ", count: widths[column] - row[column].count)
                let cell = row[column]
                if index == 0 { return colored(cell, .dim) + padding }
                return (color(cell).map { colored(cell, $0) } ?? cell) + padding
            }
            // Empty cells at the end leave blanks that nobody sees and every diff shows.
            let text = cells.joined(separator: "  ")
            line(String(text[..<(text.lastIndex { $0 != " " }.map(text.index(after:)) ?? text.startIndex)]))
        }
    }

    /// Text from elsewhere without what a terminal would obey.
    static func printable(_ text: String, keepingLines: Bool = false) -> String {
        TerminalText.printable(text, keepingLines: keepingLines)
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
