/// `embark signup list`: filters, pages, and text from elsewhere that a terminal must not obey.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(5))) struct CommandSignupListTests {
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
        (["--state", "completed", "--waiting-on", "customer"], []), (["--before", "3"], ["2", "1"]),
        (["--before", "1"], []), (["--limit", "2"], ["5", "4"]), (["--state", "failed", "--before", "4"], ["3"]),
        (["--before", "9223372036854775807", "--limit", "10000"], ["5", "4", "3", "2", "1"]),
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
    func `Pages by --before cover each of 120 signups exactly once, also while new ones arrive`(
        format: String
    ) async throws {
        try await script(SampleSignups.many(120))
        var seen: [String] = []
        var before: [String] = []
        for page in 1...10 {
            let result = try await Command.run(
                ["signup", "list", "-o", format] + before,
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
            let hint = "There may be more: embark signup list --before \(last)\n"
            #expect(result.err == (format == "table" ? hint : ""))
            before = ["--before", last]
            try await script(SampleSignups.many(1))
        }
        #expect(seen == (1...120).reversed().map(String.init))
    }

    @Test func `The command for the next page asks for what this page was asked for`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let failed = try await Command.run(
            "signup",
            "list",
            "--state",
            "failed",
            "--waiting-on",
            "customer",
            "--limit",
            "1"
        )
        #expect(
            failed.err == """
                There may be more: embark signup list --state failed --waiting-on customer --limit 1 --before 3

                """
        )
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
}
