/// `embark why ANYTHING`: which signup a word means, and what becomes of the others.
import Foundation
import Postgres
import SQL
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct WhySearchTests {
    /// Signups of one account and number, oldest first: id 1 has completed, 2 and 3 have failed, 4 runs. 2 failed last. 5 has
    /// nothing to do with them.
    private static let family = """
        INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, waba_id,
                                    phone_number_id, code_issued_at, updated_at)
        SELECT v.external_id, v.state::embark.signup_state, 'cloud_api', '{exchange_code,subscribe_app,register_phone}',
               v.failed_step, CASE WHEN v.failed_step IS NOT NULL THEN 'operator'::embark.party END, v.code, v.waba, v.phone,
               now(), now() - v.age
          FROM (VALUES (1, 'first', 'completed', NULL, NULL, '1022', '1065', interval '3 d 1 h'),
                       (2, 'second', 'failed', 'register_phone', '133006', '1022', '1065', interval '5 min 5 s'),
                       (3, NULL, 'failed', 'subscribe_app', '2200', '1022', '1065', interval '2 h 1 min'),
                       (4, 'fourth', 'running', NULL, NULL, '1022', '1065', interval '5 s'),
                       (5, 'stranger', 'failed', 'subscribe_app', '3', '1023', '1066', interval '1 min 31 s'))
            AS v (place, external_id, state, failed_step, code, waba, phone, age)
         ORDER BY v.place;
        INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES (4, 'subscribe_app', 5, '2100-01-01 00:00:00Z');
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, http_status,
                                     error_code, error_message, fbtrace_id)
        VALUES (3, 1, 'subscribe_app', 1, 'retry', now() - interval '2 h 2 min', now() - interval '2 h 2 min', 400, '2', 'Down',
                'TraceOfTheFirst'),
               (3, 1, 'subscribe_app', 2, 'fail', now() - interval '2 h 1 min', now() - interval '2 h 1 min', 400, '2200', 'No',
                'TraceOfTheLast')
        """

    struct Meaning: Sendable, CustomTestStringConvertible {
        let word: String
        let id: String
        let kind: String
        /// The card's line; nil when it has none.
        let line: String?
        let others: [String]
        var testDescription: String { word }
    }

    static let meanings = [
        Meaning(word: "5", id: "5", kind: "id", line: nil, others: []),
        Meaning(word: " 5\n", id: "5", kind: "id", line: nil, others: []),
        Meaning(word: "second", id: "2", kind: "external_id", line: "external id second", others: []),
        Meaning(word: "1023", id: "5", kind: "waba_id", line: "WABA 1023", others: []),
        Meaning(word: "1066", id: "5", kind: "phone_number_id", line: "phone number id 1066", others: []),
        // The one that failed last, then the other that failed, then what moved last.
        Meaning(word: "1022", id: "2", kind: "waba_id", line: "WABA 1022", others: ["3", "4", "1"]),
        Meaning(word: "1065", id: "2", kind: "phone_number_id", line: "phone number id 1065", others: ["3", "4", "1"]),
        Meaning(
            word: "TraceOfTheLast",
            id: "3",
            kind: "fbtrace_id",
            line: "fbtrace TraceOfTheLast, a call of subscribe_app",
            others: []
        ),
        Meaning(
            word: "TraceOfTheFirst",
            id: "3",
            kind: "fbtrace_id",
            line: "fbtrace TraceOfTheFirst, a call of subscribe_app",
            others: []
        ),
    ]

    @Test(arguments: meanings)
    func `A word is what it is found to be, and the card says so`(expected: Meaning) async throws {
        try await script(Self.family)
        let text = try await Command.run("why", expected.word)
        #expect(text.code == 0)
        #expect(text.out.hasPrefix("SIGNUP \(expected.id) "))
        let line = text.outLines.first { $0.hasPrefix("Found by") }
        #expect(line == expected.line.map { "Found by      " + $0 })
        let card = try await Command.run("why", expected.word, "-o", "json").object()
        #expect(card["id"] as? String == expected.id)
        #expect(card["found_by"] as? String == expected.kind)
        let others = try #require(card["others"] as? [[String: Any]])
        #expect(others.map { $0["id"] as? String } == expected.others)
        #expect(card["others_are_all"] as? Bool == true)
    }

    @Test func `The others are under the card, each with its command`() async throws {
        try await script(Self.family)
        let lines = try await Command.run("why", "1022").outLines
        let first = try #require(lines.firstIndex { $0.hasPrefix("Others") })
        #expect(
            lines[first...].joined(separator: "\n") == """
                Others        embark why 3   FAILED at subscribe_app, 2200, 2 h ago
                              embark why 4   RUNNING at subscribe_app, 5 s ago
                              embark why 1   COMPLETED, 3 d ago
                Next          embark replay 2 --reason "…"
                """
        )
    }

    @Test func `One word that is an id, an external id, an account and a number means them in this order`() async throws
    {
        try await script(Self.family)
        try await script(
            """
            UPDATE embark.signups SET external_id = '5' WHERE id = 1;
            UPDATE embark.signups SET waba_id = '5' WHERE id = 2;
            UPDATE embark.signups SET phone_number_id = '5' WHERE id IN (3, 1)
            """
        )
        let card = try await Command.run("why", "5", "-o", "json").object()
        #expect(card["id"] as? String == "5" && card["found_by"] as? String == "id")
        let others = try #require(card["others"] as? [[String: Any]])
        // One that is meant twice is listed once, by the first.
        #expect(others.map { $0["id"] as? String } == ["1", "2", "3"])
        #expect(others.map { $0["found_by"] as? String } == ["external_id", "waba_id", "phone_number_id"])
        // "05" is nobody's id.
        #expect(try await Command.run("why", "05").code == 3)
    }

    /// A number has no list of its own: few signups share one.
    @Test(arguments: [("1022", "18+ more: embark signup list --waba 1022"), ("1065", "18+ more")])
    func `Of many signups few are shown, and how many more there are`(word: String, more: String) async throws {
        try await script(Self.family)
        try await script(
            """
            INSERT INTO embark.signups (state, flow, plan, waba_id, phone_number_id, code_issued_at)
            SELECT 'completed', 'cloud_api', '{exchange_code}', '1022', '1065', now() FROM generate_series(1, 30)
            """
        )
        let lines = try await Command.run("why", word).outLines
        #expect(lines.count <= 24)
        #expect(lines.contains("              " + more))
        if let list = more.firstRange(of: "embark") {
            let all = try await Command.shell(more[list.lowerBound...] + " -o jsonl")
            #expect(try all.objectLines().count == 34)
        }
        let card = try await Command.run("why", word, "-o", "json").object()
        #expect((card["others"] as? [[String: Any]])?.count == 20)
        #expect(card["others_are_all"] as? Bool == false)
    }

    @Test func `Each way of finding goes through an index of its own`() async throws {
        try await script(
            """
            INSERT INTO embark.signups (flow, plan, waba_id, phone_number_id, code_issued_at)
            SELECT 'cloud_api', '{exchange_code}', n::text, (-n)::text, now() FROM generate_series(1, 20000) AS n;
            INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, fbtrace_id)
            SELECT n, 1, 'exchange_code', 1, 'retry', now(), now(), CASE WHEN n % 10 = 0 THEN 'trace' || n END
              FROM generate_series(1, 20000) AS n;
            ANALYZE embark.signups, embark.attempts
            """
        )
        let statement = SQL.searchSignups.text.replacing("$1", with: "500").replacing("$2", with: "'500'")
        let plan = try await texts(
            "EXPLAIN " + statement.split(separator: "\n").filter { !$0.hasPrefix("--") }.joined(separator: "\n")
        )
        .joined(separator: "\n")
        for index in [
            "signups_pkey", "signups_external_id_key", "signups_waba_id", "signups_phone_number_id",
            "attempts_fbtrace_id",
        ] {
            #expect(plan.contains(index), "\(index) is not used:\n\(plan)")
        }
        #expect(!plan.contains("Seq Scan on signups") && !plan.contains("Seq Scan on attempts"), "\(plan)")
    }
}
