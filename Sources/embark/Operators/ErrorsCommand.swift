/// `embark errors`: what each error code means, what Embark does about it, and whose move it is.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime

struct ErrorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "errors",
        abstract: "Explain Meta's error codes, and Embark's own.",
        discussion: """
            The table that workers decide by and that "embark why" quotes. Needs no
            database.

            EXAMPLES
              embark errors 133005
              embark errors 100/36007
              embark errors -o jsonl | jq -r .means
              embark errors --markdown >errors.md
            """
    )

    @Argument(help: "One code; all of them when absent.") var code: String?
    @Flag(help: "As a Markdown table, for a handbook.") var markdown = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let output = global.output
        let rows = code.map { ExplainedCode.all(of: $0) } ?? ExplainedCode.all
        if let code, rows.isEmpty {
            throw CommandFailure(
                .noSuchThing,
                "no row explains the code \(code): a signup that meets it is retried when Meta says that it passes, else it"
                    + " waits on you. See all: embark errors"
            )
        }
        if markdown { return output.line(Self.markdown(rows)) }
        guard output.format == .table else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return output.objects(
                try rows.map { row in
                    let object: [String: String?] = [
                        "codes": row.codes.joined(separator: " "), "step": row.step?.rawValue, "means": row.means,
                        "then": row.then, "move": row.move,
                    ]
                    return String(decoding: try encoder.encode(object), as: UTF8.self)
                }
            )
        }
        for (place, row) in rows.enumerated() {
            if place > 0 { output.line() }
            output.line(Self.ranges(row.codes).joined(separator: " ") + (row.step.map { "  at \($0.rawValue)" } ?? ""))
            output.line("  Means       " + row.means)
            output.line("  Embark      " + row.then)
            output.line("  Whose move  " + row.move)
        }
    }

    private static func markdown(_ rows: [ExplainedCode]) -> String {
        var lines = ["| code | at | means | what Embark does | whose move |", "|---|---|---|---|---|"]
        for row in rows {
            let codes = ranges(row.codes).map { "`\($0)`" }.joined(separator: " ")
            let step = row.step.map { "`\($0.rawValue)`" } ?? ""
            lines.append("| \(codes) | \(step) | \(row.means) | \(row.then) | \(row.move) |")
        }
        return lines.joined(separator: "\n")
    }

    /// Three and more codes that follow each other as one: `200-299`.
    private static func ranges(_ codes: [String]) -> [String] {
        var runs: [[String]] = []
        for code in codes {
            if let last = runs.last?.last.flatMap({ Int($0) }), Int(code) == last + 1 {
                runs[runs.count - 1].append(code)
            } else {
                runs.append([code])
            }
        }
        return runs.flatMap { $0.count < 3 ? $0 : ["\($0[0])-\($0[$0.count - 1])"] }
    }
}
