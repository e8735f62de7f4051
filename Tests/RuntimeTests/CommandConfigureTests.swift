/// `embark configure`: the installation row, whole or by one field, and its trace in the audit.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.migrated), .timeLimit(.minutes(10))) struct CommandConfigureTests {
    private static let first = ["configure", "--app-id", "1234567890", "--credit-line-id", "1111111111"]

    @Test func `Before the first time there is nothing to print`() async throws {
        let result = try await Command.run("configure")
        #expect(result.code == 1)
        #expect(result.out == "")
        #expect(result.err == "embark: not configured yet. See: embark configure --help\n")
    }

    @Test func `The first time fills in the defaults and prints what it wrote`() async throws {
        let result = try await Command.run(Self.first, database: TestDatabase.current.url)
        #expect(result.code == 0)
        #expect(result.err == "")
        #expect(
            result.outLines.dropLast() == [
                "SETTING        VALUE",
                "partner mode   solution-partner",
                "app            1234567890",
                "credit line    1111111111",
                "system user    -",
                "our business   -",
                "currencies     AUD EUR GBP IDR INR USD",
                "credit method  share-and-attach",
                "verify grant   yes",
            ]
        )
        #expect(result.outLines.last?.hasPrefix("updated        20") == true)
        #expect(try await Command.run("configure").out == result.out)
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON it is one object with ids as strings`(format: String) async throws {
        _ = try await Command.run(Self.first + ["--currencies", "USD,EUR"], database: TestDatabase.current.url)
        let result = try await Command.run("configure", "-o", format)
        #expect(result.outLines.count == 1)
        var object = try result.object()
        #expect((object.removeValue(forKey: "updated_at") as? String)?.hasPrefix("20") == true)
        let expected: [String: Any] = [
            "partner_mode": "solution-partner", "app_id": "1234567890", "credit_line_id": "1111111111",
            "system_user_id": NSNull(), "business_id": NSNull(), "currencies": ["USD", "EUR"],
            "credit_method": "share-and-attach", "verify_grant": true,
        ]
        #expect(object as NSDictionary == expected as NSDictionary)
    }

    static let changes: [([String], String, String)] = [
        (["--partner-mode", "tech-provider"], "partner_mode", "tech-provider"), (["--app-id", "77"], "app_id", "77"),
        (["--credit-line-id", "78"], "credit_line_id", "78"), (["--system-user-id", "79"], "system_user_id", "79"),
        (["--business-id", "80"], "business_id", "80"), (["--currencies", "USD,CHF"], "currencies", "{USD,CHF}"),
        (["--credit-method", "share-then-attach"], "credit_method", "share-then-attach"),
        (["--no-verify-grant"], "verify_grant", "f"), (["--verify-grant"], "verify_grant", "t"),
    ]

    @Test(arguments: changes)
    func `One flag changes one field, and all others stay`(flags: [String], column: String, value: String) async throws
    {
        let url = TestDatabase.current.url
        let all = [
            "--system-user-id", "2222222222", "--business-id", "3333333333", "--currencies", "USD,EUR",
            flags == ["--no-verify-grant"] ? "--verify-grant" : "--no-verify-grant",
        ]
        #expect(try await Command.run(Self.first + all, database: url).code == 0)
        let before = try await row()
        #expect(try await Command.run(["configure"] + flags, database: url).code == 0)
        let after = try await row()
        #expect(after[column] == value)
        #expect(before[column] != value)
        #expect(after.filter { $0.key != column } == before.filter { $0.key != column })
    }

    static let refusals: [([String], [String])] = [
        (["--app-id", "12a"], ["--app-id must be 1 to 32 ASCII digits"]),
        (
            ["--app-id", ""],
            ["the app's id is missing: --app-id, from the app's dashboard at developers.facebook.com"]
        ),
        (["--app-id", "٣"], ["--app-id must be 1 to 32 ASCII digits"]),
        (["--credit-line-id", ""], ["--credit-line-id must be 1 to 32 ASCII digits"]),
        (["--system-user-id", String(repeating: "1", count: 33)], ["--system-user-id must be 1 to 32 ASCII digits"]),
        (
            ["--currencies", "usd"],
            ["--currencies must be three-letter codes in upper case, separated by commas: USD,EUR"]
        ),
        (
            ["--currencies", ""],
            ["--currencies must be three-letter codes in upper case, separated by commas: USD,EUR"]
        ),
        (
            ["--currencies", "USD,"],
            ["--currencies must be three-letter codes in upper case, separated by commas: USD,EUR"]
        ),
        (
            ["--business-id", "x", "--currencies", "USD, EUR"],
            [
                "--business-id must be 1 to 32 ASCII digits",
                "--currencies must be three-letter codes in upper case, separated by commas: USD,EUR",
            ]
        ),
    ]

    @Test(arguments: refusals)
    func `What cannot work is refused with exit 2, all of it at once, and nothing is written`(
        flags: [String],
        problems: [String]
    ) async throws {
        let url = TestDatabase.current.url
        #expect(try await Command.run(Self.first, database: url).code == 0)
        let before = try await row()
        let result = try await Command.run(["configure", "--partner-mode", "tech-provider"] + flags, database: url)
        #expect(result.code == 2)
        #expect(result.out == "")
        #expect(result.err == "embark: nothing was written:\n" + problems.map { "  \($0)\n" }.joined())
        #expect(try await row() == before)
        #expect(try await count("embark.audit") == 1)
    }

    @Test func `A solution partner needs a credit line, a tech provider does not`() async throws {
        let partner = try await Command.run("configure", "--app-id", "1")
        #expect(partner.code == 2)
        #expect(
            partner.err == """
                embark: nothing was written:
                  a solution partner shares a credit line: --credit-line-id, from GET /BUSINESS_ID/extendedcredits, \
                or --partner-mode tech-provider

                """
        )
        #expect(try await count("embark.installation") == 0)
        #expect(try await Command.run("configure", "--app-id", "1", "--partner-mode", "tech-provider").code == 0)
        // The row that is there has no credit line, so the way back needs one.
        #expect(try await Command.run("configure", "--partner-mode", "solution-partner").code == 2)
    }

    @Test(arguments: [["--partner-mode", "reseller"], ["--credit-method", "share"]])
    func `A word that is none of the choices is a mistake in the call that names them`(flags: [String]) async throws {
        let result = try await Command.run(["configure"] + flags, database: TestDatabase.current.url)
        #expect(result.code == 64)
        let choices =
            flags[0] == "--partner-mode" ? "solution-partner or tech-provider" : "share-and-attach or share-then-attach"
        #expect(result.err.contains("\(flags[0]) must be \(choices)."))
        #expect(try await count("embark.installation") == 0)
    }

    @Test func `Each change leaves a row in the audit with who did it and what the row is now`() async throws {
        let url = TestDatabase.current.url
        #expect(try await Command.run(Self.first, database: url).code == 0)
        #expect(try await Command.run("configure", "--app-id", "77").code == 0)
        #expect(try await Command.run("configure").code == 0)
        let rows = try await texts(
            """
            SELECT concat_ws(' ', actor, session_user_name, action, reason, detail ->> 'app_id', detail ->> 'credit_line_id',
                             (SELECT count(*) FROM jsonb_object_keys(detail)))
              FROM embark.audit ORDER BY id
            """
        )
        #expect(
            rows == [
                "postgres postgres configure embark configure 1234567890 1111111111 8",
                "postgres postgres configure embark configure 77 1111111111 8",
            ]
        )
    }

    @Test func `A changed installation concerns later signups only`() async throws {
        let url = TestDatabase.current.url
        #expect(try await Command.run(Self.first, database: url).code == 0)
        let add = ["signup", "add", "--code", "a", "--currency", "USD", "--waba-id", "1"]
        #expect(try await Command.run(add, database: url).code == 0)
        #expect(try await Command.run("configure", "--partner-mode", "tech-provider", "--no-verify-grant").code == 0)
        #expect(try await Command.run(add, database: url).code == 0)
        let plans = try await texts("SELECT array_to_string(plan, ' ') FROM embark.signups ORDER BY id")
        #expect(
            plans == [
                "exchange_code verify_grant subscribe_app share_credit_line register_phone",
                "exchange_code subscribe_app",
            ]
        )
    }

    private func row() async throws -> [String: String] {
        let pairs = try await texts(
            """
            SELECT p.key || '=' || coalesce(CASE jsonb_typeof(p.value) WHEN 'array' THEN i.currencies::text
                                                 WHEN 'boolean' THEN left(p.value::text, 1) ELSE p.value #>> '{}' END, 'NULL')
              FROM embark.installation AS i, jsonb_each(to_jsonb(i) - 'updated_at') AS p
            """
        )
        return Dictionary(
            uniqueKeysWithValues: pairs.map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                return (parts[0], parts[1])
            }
        )
    }
}
