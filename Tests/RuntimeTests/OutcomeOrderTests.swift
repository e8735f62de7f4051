/// Whoever pages by `outcomes_since` sees each outcome once, in order, however its transaction came to commit; and a dead code is
/// an outcome within a second.
import Foundation
import Postgres
import Support
import Synchronization
import Testing

@testable import OnboardingRuntime

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct OutcomeOrderTests {
    /// What a reader has seen, in the order in which it saw it.
    private final class Seen: Sendable {
        private let rows = Mutex<[(seq: Int64, signup: Int64)]>([])

        func append(_ page: [(seq: Int64, signup: Int64)]) { rows.withLock { $0 += page } }
        var cursor: Int64 { rows.withLock { $0.last?.seq ?? 0 } }
        var signups: [Int64] { rows.withLock { $0.map(\.signup) } }
        var numbers: [Int64] { rows.withLock { $0.map(\.seq) } }
    }

    private static func page(
        after cursor: Int64,
        on connection: Connection
    ) async throws -> [(seq: Int64, signup: Int64)] {
        try await connection.values(
            "SELECT seq || ' ' || signup_id FROM embark.outcomes_since(\(cursor), 7)",
            as: String.self
        ).map { row in
            let parts = try row.split(separator: " ").map { try #require(Int64($0)) }
            return (parts[0], parts[1])
        }
    }

    private static func read(into seen: Seen, until count: Int, within limit: Duration) async throws {
        try await withConnection { connection in
            try await eventually("the reader has seen \(count) outcomes", within: limit) {
                while true {
                    let page = try await page(after: seen.cursor, on: connection)
                    seen.append(page)
                    if page.isEmpty { return seen.numbers.count >= count }
                }
            }
        }
    }

    /// The same in transactions that keep their snapshot over several pages.
    private static func readRepeatably(into seen: Seen, until count: Int, within limit: Duration) async throws {
        try await withConnection { connection in
            try await eventually("the repeatable reader has seen \(count) outcomes", within: limit) {
                try await connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ")
                while true {
                    let page = try await page(after: seen.cursor, on: connection)
                    seen.append(page)
                    if page.isEmpty { break }
                }
                try await connection.script("COMMIT")
                return seen.numbers.count >= count
            }
        }
    }

    private static func end(_ signups: [Int], _ more: String = "") -> String {
        let rows = signups.map { "(\($0), 1, 'signup.completed')" }.joined(separator: ", ")
        return "BEGIN; INSERT INTO embark.outcomes (signup_id, generation, type) VALUES \(rows); \(more)"
    }

    private static let enders = 8
    private static let transactions = 25

    @Test func `No outcome is missed or seen twice, while transactions overlap and two workers number`() async throws {
        let total = 2 + Self.enders * Self.transactions
        // Outcomes are read with their signups.
        try await script(
            "SELECT embark.enqueue_signup(code => 'c', currency => 'USD') FROM generate_series(1, \(total)); DELETE FROM embark.jobs"
        )
        let (seen, repeatable) = (Seen(), Seen())
        try await SimulatedPlatform.with { platform in
            let first = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) { one in
                let second = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) {
                    two in
                    for worker in [one, two] {
                        try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                    }
                    try await withConnection { long in
                        // It takes the lowest ids, and commits when every other outcome has been read.
                        try await long.script(Self.end([1, 2]))
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            group.addTask { try await Self.read(into: seen, until: total - 2, within: .seconds(60)) }
                            group.addTask {
                                try await Self.readRepeatably(into: repeatable, until: total - 2, within: .seconds(60))
                            }
                            for ender in 0..<Self.enders {
                                group.addTask { try await Self.endMany(3 + ender * Self.transactions) }
                            }
                            try await group.waitForAll()
                        }
                        #expect(!seen.signups.contains(1) && !seen.signups.contains(2))
                        try await long.script("COMMIT")
                    }
                    try await Self.read(into: seen, until: total, within: .seconds(20))
                    try await Self.readRepeatably(into: repeatable, until: total, within: .seconds(20))
                }
                #expect(second.code == 0)
            }
            #expect(first.code == 0)
        }
        for reader in [seen, repeatable] {
            #expect(reader.numbers == Array(1...Int64(total)))
            #expect(reader.signups.sorted() == Array(1...Int64(total)))
            #expect(reader.signups.suffix(2).sorted() == [1, 2])
        }
    }

    /// Transactions of one session, each open for up to 20 ms behind its insert: some commit long after younger ones.
    private static func endMany(_ first: Int) async throws {
        try await withConnection { connection in
            for signup in first..<(first + transactions) {
                let delay = Double.random(in: 0...0.02)
                try await connection.script(Self.end([signup], "SELECT pg_sleep(\(delay)); COMMIT"))
            }
        }
    }

    // MARK: Dead codes

    /// Seconds from each code's end, by the database's clock, until whoever listens could read its outcome.
    private final class Delays: Sendable {
        private let seconds = Mutex<[Double]>([])
        private let isListening = Mutex(false)

        var all: [Double] { seconds.withLock { $0 } }
        var listens: Bool { isListening.withLock { $0 } }

        func heed(_ event: Listener.Event, on connection: Connection) async {
            switch event {
            case .listening: isListening.withLock { $0 = true }
            case .disconnected(let error): Issue.record("\(error)")
            case .notification:
                do {
                    // Only what is new; a notification is a hint to read.
                    let new = try await connection.values(
                        """
                        SELECT extract(epoch FROM clock_timestamp() - s.code_issued_at)::double precision - 30
                          FROM embark.outcomes_since(\(all.count)) AS o JOIN embark.signups AS s ON s.id = o.signup_id
                         WHERE o.type = 'signup.failed' AND o.error_code = 'code_expired' AND o.waiting_on = 'customer'
                        """,
                        as: Double.self
                    )
                    seconds.withLock { $0 += new }
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
    }

    @Test func `A dead code is an outcome within a second, and whoever listens is told`() async throws {
        let rounds = 5
        let delays = Delays()
        try await SimulatedPlatform.with { platform in
            // Nothing may be exchanged: the codes have to die where they are.
            let paused = try await Command.run("pause", "app", "--for", "10m", "--reason", "a test")
            #expect(paused.code == 0)
            let result = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) {
                worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                let options = try ConnectionOptions(TestDatabase.current.url, applicationName: "tests")
                try await withConnection { reader in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            await Listener(options, channels: ["embark_outcomes"]).run {
                                await delays.heed($0, on: reader)
                            }
                        }
                        try await eventually("somebody listens") { delays.listens }
                        for round in 1...rounds {
                            // Without a business id nobody can recover its token.
                            try await script(
                                """
                                SELECT embark.enqueue_signup(code => 'c', currency => 'USD',
                                    code_issued_at => clock_timestamp() - interval '29.\(round) s')
                                """
                            )
                            try await eventually("code \(round) was told of", within: .seconds(20)) {
                                delays.all.count == round
                            }
                        }
                        group.cancelAll()
                    }
                }
            }
            #expect(result.code == 0)
            #expect(try platform.ledger("request").isEmpty)
        }
        // scripts/test lets nothing else run beside it.
        #expect(delays.all.allSatisfy { $0 > 0 && $0 < 5 }, "\(delays.all)")
        #expect(delays.all.sorted()[rounds / 2] < 1, "\(delays.all)")
    }
}
