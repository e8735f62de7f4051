/// `embark top` on a terminal: it fits, it follows, and it gives the terminal back.
import Foundation
import Postgres
import Support
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandTopLiveTests {
    /// More of everything than a terminal has rows, and names that are wider than they are long.
    private static let crowded = """
        INSERT INTO embark.signups (state, flow, plan, failed_step, waiting_on, error_code, error_message, code_issued_at)
        SELECT 'failed', 'cloud_api', '{register_phone}', 'register_phone', 'operator', (133000 + n)::text, 'x', now()
          FROM generate_series(1, 30) AS n;
        INSERT INTO embark.workers (host, pid, version)
        SELECT repeat('漢字', 20) || n || '.example', n, '0.1.0' FROM generate_series(1, 40) AS n;
        """

    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    enum Ending: Sendable, CaseIterable {
        case key, interrupt, quit, termination, hangUp
    }

    @Test(arguments: Ending.allCases)
    func `It takes the screen, and gives it back as it was, whatever ends it`(ending: Ending) async throws {
        let (code, terminal) = try await TerminalCommand.run(["top"], database: TestDatabase.current.url) { terminal in
            #expect(terminal.isCooked)
            try await eventually("the page is there") { terminal.frame.lines.contains("WORKERS: none") }
            #expect(terminal.output.hasPrefix(Self.enter))
            #expect(!terminal.isCooked)
            switch ending {
            case .key: terminal.type("xq")
            case .interrupt: terminal.send(SIGINT)
            case .quit: terminal.send(SIGQUIT)
            case .termination: terminal.send(SIGTERM)
            case .hangUp: terminal.send(SIGHUP)
            }
        }
        #expect(code == 0)
        #expect(terminal.output.hasSuffix(Self.leave))
        #expect(terminal.output.components(separatedBy: Self.leave).count == 2)
        #expect(terminal.isCooked)
    }

    @Test func `It never prints more rows or columns than there are, and follows a new size at once`() async throws {
        try await script(Self.crowded)
        let sizes = [(80, 24), (40, 10), (20, 3), (7, 1), (200, 60), (80, 24), (121, 9)]
        let (code, _) = try await TerminalCommand.run(["top"], database: TestDatabase.current.url) { terminal in
            try await eventually("the page is there") { terminal.frame.lines.count == 24 }
            let clock = ContinuousClock()
            var waits: [Duration] = []
            for (columns, rows) in sizes {
                let before = terminal.frames
                let told = clock.now
                terminal.resize(columns: columns, rows: rows)
                // What is looked at is the frame that was waited for: another may begin at any moment.
                var drawn = terminal.frame
                try await eventually("the page has \(rows) rows at \(columns) columns", within: .seconds(20)) {
                    let isNew = terminal.frames > before
                    drawn = terminal.frame
                    return isNew && drawn.lines.count == rows
                }
                waits.append(clock.now - told)
                #expect(drawn.lines.allSatisfy { Self.columns($0) <= columns }, "\(columns) × \(rows): \(drawn.lines)")
                #expect(drawn.lines[0].hasPrefix("RUNNING".prefix(columns - 1)))
                if columns == 80, rows == 24 {
                    #expect(drawn.lines.filter { $0.wholeMatch(of: /… \d+ more/) != nil }.count == 2, "\(drawn.lines)")
                    for title in ["FAILED", "JOBS: none", "WORKERS"] { #expect(drawn.lines.contains(title)) }
                    #expect(drawn.lines.contains { $0.hasSuffix("…") && Self.columns($0) >= 79 }, "\(drawn.lines)")
                }
                if rows == 60 { #expect(drawn.lines.filter { $0.contains("133") }.count == 20, "\(drawn.lines)") }
            }
            // A page that came with the next snapshot would come two seconds after the one before. Of several the median: a
            // machine that is busy may hold one up.
            #expect(waits.sorted()[waits.count / 2] < .seconds(1), "\(waits)")
            terminal.type("q")
        }
        #expect(code == 0)
    }

    @Test func `It draws anew without clearing, so that nothing flickers`() async throws {
        let (_, terminal) = try await TerminalCommand.run(["top"], database: TestDatabase.current.url) { terminal in
            try await eventually("a second snapshot is there", within: .seconds(10)) { terminal.frames >= 2 }
            terminal.type("q")
        }
        // Once, when the screen is new.
        #expect(terminal.output.components(separatedBy: "\u{1B}[2J").count == 2)
        #expect(terminal.output.contains("\u{1B}[K\u{1B}[2;1H"))
        #expect(!terminal.output.dropFirst(Self.enter.count).contains("\n"))
        #expect(terminal.output.contains("\u{1B}[J"))
    }

    @Test func `A database that goes away is shown as away, and comes back by itself`() async throws {
        try await PrivateServer.with { server in
            #expect(try await Command.run(["migrate"], database: server.url).code == 0)
            let (code, _) = try await TerminalCommand.run(["top"], database: server.url) { terminal in
                try await eventually("the page is there") { terminal.frame.lines.contains("WORKERS: none") }
                try await server.stop(.immediate)
                try await eventually("it says so", within: .seconds(15)) {
                    terminal.frame.lines.first?.hasPrefix("THE DATABASE IS AWAY for ") == true
                }
                // What was known stays on the screen.
                try await eventually("the page is whole") { terminal.frame.lines.contains("WORKERS: none") }
                #expect(terminal.frame.lines.count <= 24)
                try await server.start()
                try await eventually("it is back", within: .seconds(15)) {
                    terminal.frame.lines.first?.hasPrefix("RUNNING") == true
                }
                terminal.type("q")
            }
            #expect(code == 0)
        }
    }

    @Test func `What does not mend itself ends it, with the message on the screen that was there before`() async throws
    {
        let (code, terminal) = try await TerminalCommand.run(["top"], database: TestDatabase.current.url) { terminal in
            try await eventually("the page is there") { terminal.frame.lines.contains("WORKERS: none") }
            try await script("DROP SCHEMA embark CASCADE")
        }
        #expect(code == 1)
        let end = Self.leave + "embark: the database has no schema of Embark, or an older one. Run: embark migrate\r\n"
        #expect(terminal.output.hasSuffix(end))
        #expect(terminal.isCooked)
    }

    @Test func `A database that is not there in the first place is an error, and the screen is left alone`()
        async throws
    {
        let url = "postgresql://127.0.0.1:1/nowhere"
        let (code, terminal) = try await TerminalCommand.run(["top"], database: url) { _ in }
        #expect(code == 69)
        #expect(terminal.output.hasPrefix("embark: the database cannot be reached: "))
    }

    /// What a terminal shows of the texts in these tests: two columns for each of the two characters above.
    private static func columns(_ text: String) -> Int { text.reduce(0) { $0 + ($1 == "漢" || $1 == "字" ? 2 : 1) } }
}
