/// `embark signup list`: filters, pages, and text from elsewhere that a terminal must not obey.
import Foundation
import Postgres
import SQL
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSignupListTests {
    @Test func `A database without signups is a table without rows`() async throws {
        let table = try await Command.run("signup", "list")
        #expect(table.out == "ID  EXTERNAL ID  WABA  STATE  STEP  ERROR  WAITING ON  MOVED\n")
        #expect(table.err == "")
        #expect(table.code == 0)
        #expect(try await Command.run("signup", "list", "-o", "json").out == "[]\n")
        #expect(try await Command.run("signup", "list", "-o", "jsonl").out == "")
    }

    @Test func `Each signup is a row, newest first, with where it stands`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("signup", "list")
        #expect(
            result.out
                == """
                ID  EXTERNAL ID    WABA  STATE      STEP            ERROR   WAITING ON  MOVED
                5   cancelled-one  15    cancelled  -               -       -           3 d
                4   stuck-one      14    failed     register_phone  133005  operator    2 h
                3   expired-one    13    failed     exchange_code   36007   customer    10 min
                2   completed-one  12    completed  -               -       -           45 min
                1   -              -     running    subscribe_app   -       -           5 min

                """
        )
        #expect(result.err == "")
    }

    static let filters: [([String], [String])] = [
        ([], ["5", "4", "3", "2", "1"]), (["--state", "running"], ["1"]), (["--state", "completed"], ["2"]),
        (["--state", "failed"], ["4", "3"]), (["--state", "cancelled"], ["5"]), (["--waiting-on", "customer"], ["3"]),
        (["--waiting-on", "operator"], ["4"]), (["--state", "failed", "--waiting-on", "customer"], ["3"]),
        (["--state", "completed", "--waiting-on", "customer"], []), (["--after", "3"], ["2", "1"]),
        (["--after", "1"], []), (["--limit", "2"], ["5", "4"]), (["--state", "failed", "--after", "4"], ["3"]),
        (["--after", "9223372036854775807", "--limit", "10000"], ["5", "4", "3", "2", "1"]),
        (["--step", "register_phone"], ["4"]), (["--step", "subscribe_app"], ["1"]), (["--step", "sync_history"], []),
        (["--step", "subscribe_app", "--state", "failed"], []),
        (["--step", "exchange_code", "--state", "failed"], ["3"]),
        (["--error-code", "133005"], ["4"]), (["--error-code", "36007", "--step", "exchange_code"], ["3"]),
        (["--error-code", "36007", "--step", "register_phone"], []),
        (["--error-code", "36007", "--state", "running"], []),
        (["--error-code", "133005", "--waiting-on", "customer"], []),
        (["--waba", "14"], ["4"]), (["--waba", "14", "--state", "completed"], []), (["--waba", "99"], []),
        (["--waba", "13", "--error-code", "36007", "--step", "exchange_code", "--waiting-on", "customer"], ["3"]),
        // They changed 5 min, 45 min, 10 min, 2 h and 3 days ago.
        (["--since", "30m"], ["3", "1"]), (["--since", "1h"], ["3", "2", "1"]), (["--until", "1h"], ["5", "4"]),
        (["--since", "1d", "--until", "30m"], ["4", "2"]), (["--since", "1h", "--state", "failed"], ["3"]),
        (["--since", "1h", "--state", "running"], ["1"]), (["--since", "1h", "--state", "cancelled"], []),
        (["--since", "1h", "--state", "completed"], ["2"]), (["--since", "1h", "--waba", "12"], ["2"]),
        (["--since", "1h", "--error-code", "133005"], []), (["--since", "1h", "--step", "exchange_code"], ["3"]),
        (["--until", "2026-01-01"], []), (["--since", "2026-01-01T10:30+02:00"], ["5", "4", "3", "2", "1"]),
        (["--since", "2100-01-01T00:00:00Z"], []),
    ]

    @Test(arguments: filters)
    func `Filters leave what was asked for, in each format`(flags: [String], ids: [String]) async throws {
        try await script(SampleSignups.oneOfEachState)
        let url = TestDatabase.current.url
        let table = try await Command.run(["signup", "list"] + flags, database: url)
        let listed = table.outLines.dropFirst().map { String($0.prefix { $0 != " " }) }
        #expect(listed == ids)
        let json = try await Command.run(["signup", "list", "-o", "json"] + flags, database: url)
        #expect(try json.objects().map { $0["id"] as? String } == ids)
        let lines = try await Command.run(["signup", "list", "-o", "jsonl"] + flags, database: url)
        #expect(try lines.objectLines().map { $0["id"] as? String } == ids)
    }

    @Test func `A JSON object is the whole row of embark.signup_status`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let objects = try await Command.run("signup", "list", "-o", "json", "--state", "failed", "--limit", "1")
            .objects()
        let columns = try await texts(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'embark.signup_status'::regclass AND attnum > 0"
        )
        let object = try #require(objects.first)
        #expect(Set(object.keys) == Set(columns))
        #expect(object["external_id"] as? String == "stuck-one")
        #expect(object["error_code"] as? String == "133005")
        #expect(object["generation"] as? Int == 1)
        #expect(object["warnings"] as? [String] == [])
        #expect((object["metadata"] as? [String: Any])?["tenant"] as? Int == 7)
        #expect(object["test_message_id"] is NSNull)
    }

    @Test(arguments: ["table", "jsonl"])
    func `Pages by --after cover each of 120 signups exactly once, also while new ones arrive`(
        format: String
    ) async throws {
        try await script(SampleSignups.many(120))
        var seen: [String] = []
        var after: [String] = []
        for page in 1...10 {
            let result = try await Command.run(
                ["signup", "list", "-o", format] + after,
                database: TestDatabase.current.url
            )
            let ids =
                format == "table"
                ? result.outLines.dropFirst().map { String($0.prefix { $0 != " " }) }
                : try result.objectLines().compactMap { $0["id"] as? String }
            seen += ids
            guard ids.count == 50, let last = ids.last else {
                #expect(page == 3)
                #expect(result.err == "")
                break
            }
            let hint = "There may be more: embark signup list --after \(last)\n"
            #expect(result.err == (format == "table" ? hint : ""))
            after = ["--after", last]
            try await script(SampleSignups.many(1))
        }
        #expect(seen == (1...120).reversed().map(String.init))
    }

    @Test func `The command for the next page asks for what this page was asked for`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let asked = "--state failed --waiting-on customer --step exchange_code --error-code 36007 --since 30m --limit 1"
        let failed = try await Command.run(
            ["signup", "list"] + asked.split(separator: " ").map(String.init),
            database: TestDatabase.current.url
        )
        #expect(failed.err == "There may be more: embark signup list \(asked) --after 3\n")
        // What a shell would take apart is one word there, too.
        let quoted = ["--waba", "13", "--until", "2100-01-01 10:00", "--limit", "1"]
        let words = try await Command.run(["signup", "list"] + quoted, database: TestDatabase.current.url)
        let next = "embark signup list --waba 13 --until '2100-01-01 10:00' --limit 1 --after 3\n"
        #expect(words.err == "There may be more: " + next)
        // A page that is not full is the last one.
        #expect(try await Command.run("signup", "list", "--limit", "6").err == "")
    }

    @Test(arguments: ["0", "10001", "-1", "many"])
    func `A limit outside 1 to 10000 is a mistake in the call`(limit: String) async throws {
        let result = try await Command.run("signup", "list", "--limit=\(limit)")
        #expect(result.code == 64)
        #expect(result.out == "")
    }

    @Test func `Text from elsewhere reaches no terminal as anything but text`() async throws {
        try await script(SampleSignups.hostile)
        for command in [["signup", "list"], ["signup", "show", "1"], ["signup", "show", "1", "--no-color"]] {
            let result = try await Command.run(command, database: TestDatabase.current.url)
            #expect(result.code == 0)
            for scalar in result.all.unicodeScalars where scalar != "\n" {
                #expect(!SampleSignups.isObeyed(scalar), "U+\(String(scalar.value, radix: 16)) by \(command)")
            }
            #expect(result.out.contains("evil\u{FFFD}[2J\u{FFFD}"))
        }
        // What cannot be found is quoted back, too.
        let missing = try await Command.run("signup", "show", "no\u{1B}[31m\u{202E}such")
        #expect(missing.code == 3)
        let words =
            "embark: no signup has the id or the external id no\u{FFFD}[31m\u{FFFD}such. See: embark signup list\n"
        #expect(missing.err == words)
    }

    @Test func `As JSON the same text is kept, with escape characters escaped`() async throws {
        try await script(SampleSignups.hostile)
        for command in [["signup", "list", "-o", "json"], ["signup", "show", "1", "-o", "json"]] {
            let result = try await Command.run(command, database: TestDatabase.current.url)
            #expect(!result.out.contains("\u{1B}"))
            let value = try result.json()
            let object = try #require((value as? [[String: Any]])?.first ?? value as? [String: Any])
            #expect(object["external_id"] as? String == SampleSignups.hostileText)
        }
    }

    @Test func `No filter reads a large table from end to end where a part of it is enough`() async throws {
        try await script(
            """
            INSERT INTO embark.signups (state, flow, plan, failed_step, waiting_on, error_code, waba_id, code_issued_at,
                                        created_at, updated_at)
            SELECT v.state::embark.signup_state, 'cloud_api', '{exchange_code}',
                   CASE WHEN v.state = 'failed' THEN 'register_phone' END,
                   CASE WHEN v.state = 'failed' THEN 'operator' END::embark.party,
                   CASE WHEN v.state = 'failed' THEN '133005' END, (n % 30000)::text, now(), v.at, v.at
              FROM generate_series(1, 60000) AS n
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN n % 100 = 0 THEN 'failed' WHEN n > 59000 THEN 'running' ELSE 'completed' END,
                          now() - (60000 - n) * interval '1 minute') AS v (state, at);
            INSERT INTO embark.jobs (signup_id, step, lane, due_at)
            SELECT id, 'exchange_code', 5, now() FROM embark.signups WHERE state = 'running';
            ANALYZE embark.signups; ANALYZE embark.jobs;
            """
        )
        // The parameters in the order of the file, as literals.
        let filters = [
            "state": "'failed', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50",
            "waiting": "NULL, 'operator', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 30000, 50",
            "step": "NULL, NULL, 'register_phone', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50",
            "running": "'running', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50",
            "code": "NULL, NULL, NULL, '133005', NULL, NULL, NULL, NULL, NULL, NULL, 50",
            "waba": "NULL, NULL, NULL, NULL, '777', NULL, NULL, NULL, NULL, NULL, 50",
            "page": "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 30000, 50",
            "since": "NULL, NULL, NULL, NULL, NULL, 86400, NULL, NULL, NULL, NULL, 50",
        ]
        for (name, values) in filters {
            let plan = try await withConnection { connection in
                try await connection.script("PREPARE listing AS \(SQL.listSignups.text)")
                return try await connection.values(
                    "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE listing (\(values))",
                    as: String.self
                )
            }
            let scans = plan.filter { $0.contains("Seq Scan on signups") && !$0.contains("never executed") }
            #expect(scans == [], "\(name): \(plan.joined(separator: "\n"))")
        }
    }
}
