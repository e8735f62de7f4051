/// The page that `embark top` shows: of a snapshot, as many lines as there is room for.

struct TopPage {
    /// What is always shown, and the lists under it, of which each gives way where there is no room.
    private let head: [ScreenLine]
    private let sections: [Section]

    private struct Section {
        /// The title, and the header where there are rows.
        let head: [ScreenLine]
        let rows: [ScreenLine]
    }

    init(_ snapshot: TopSnapshot) {
        let signups = snapshot.signups
        let states = Output.tableLines(
            header: ["RUNNING", "ON CUSTOMER", "ON OPERATOR", "COMPLETED 24 H", "CANCELLED 24 H"],
            rows: [
                [
                    signups.running, signups.failedCustomer, signups.failedOperator, signups.completed24H,
                    signups.cancelled24H,
                ].map { Self.count($0) }
            ]
        )
        let attempts = snapshot.attemptsLastMinute.sorted { $0.key < $1.key }.map {
            "\(Output.printable($0.key)) \(Self.count($0.value, bound: Self.attemptsBound))"
        }
        head = [
            ScreenLine(states[0], .dim), ScreenLine(states[1]), ScreenLine(),
            ScreenLine(
                "Attempts in the last minute: " + (attempts.isEmpty ? "none" : attempts.joined(separator: ", "))
            ),
        ]
        sections = [
            Self.section(
                "FAILED",
                ["SIGNUPS", "STEP", "ERROR", "WAITING ON", "FIRST", "LAST"],
                snapshot.failed.map { row in
                    [
                        Self.count(row.signups), row.step ?? "-", row.errorCode ?? "-", row.waitingOn ?? "-",
                        Self.ago(Double(row.firstSecondsAgo)), Self.ago(Double(row.lastSecondsAgo)),
                    ]
                }
            ),
            Self.section(
                "JOBS",
                ["STEP", "READY", "SCHEDULED", "RUNNING", "OLDEST DUE", "DONE/MIN", "TRIED/MIN"],
                snapshot.jobs.map { row in
                    [
                        row.step, Self.count(row.ready), Self.count(row.scheduled), Self.count(row.running),
                        row.ready == 0 ? "-" : Output.age(.seconds(row.oldestDueSeconds)),
                        Self.count(row.doneLastMinute, bound: Self.attemptsBound),
                        Self.count(row.attemptsLastMinute, bound: Self.attemptsBound),
                    ]
                }
            ),
            Self.section(
                "WORKERS",
                ["ID", "HOST", "PID", "VERSION", "IN FLIGHT", "SEEN"],
                snapshot.workers.map { row in
                    [row.id, row.host, "\(row.pid)", row.version, "\(row.inFlight)", Self.ago(row.seenSecondsAgo)]
                }
            ),
        ]
    }

    /// - Parameter rows: how many lines there is room for; the longest list gives way first, and says by how much.
    func lines(rows: Int = .max) -> [ScreenLine] {
        var shown = sections.map(\.rows.count)
        var taken = head.count + sections.reduce(0) { $0 + 1 + $1.head.count + $1.rows.count }
        while taken > rows, let longest = shown.indices.max(by: { shown[$0] < shown[$1] }), shown[longest] > 1 {
            // The first row that gives way leaves its line to the note.
            if shown[longest] < sections[longest].rows.count { taken -= 1 }
            shown[longest] -= 1
        }
        return head
            + zip(sections, shown).flatMap { section, count in
                let left = section.rows.count - count
                return [ScreenLine()] + section.head + section.rows.prefix(count)
                    + (left > 0 ? [ScreenLine("… \(left) more", .dim)] : [])
            }
    }

    private static func section(_ title: String, _ header: [String], _ rows: [[String]]) -> Section {
        if rows.isEmpty { return Section(head: [ScreenLine("\(title): none")], rows: []) }
        let lines = Output.tableLines(header: header, rows: rows)
        return Section(
            head: [ScreenLine(title), ScreenLine(lines[0], .dim)],
            rows: lines.dropFirst().map { ScreenLine($0) }
        )
    }

    /// The query counts no further than these.
    private static let rowsBound = 10_000
    private static let attemptsBound = 100_000

    private static func count(_ number: Int, bound: Int = rowsBound) -> String {
        if number < bound { return "\(number)" }
        return bound == rowsBound ? "10,000+" : "100,000+"
    }

    private static func ago(_ seconds: Double) -> String { Output.age(.seconds(seconds)) + " ago" }
}
