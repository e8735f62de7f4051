/// The SQL for upstream, as the drivers use it that upstream systems have.
import Foundation
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct UpstreamDriverTests {
    /// A signup that breaks no rule.
    static let good: [String: String?] = ["code": "AQBh-code", "waba_id": "102290129340398", "currency": "USD"]

    static func good(_ more: [String: String?]) -> [String: String?] { good.merging(more) { _, new in new } }

    /// Every field of a signup, each with a value of its own.
    static let full: [String: String?] = [
        "code": "AQBh-full", "waba_id": "1001", "phone_number_id": "1002", "business_id": "1003", "currency": "EUR",
        "external_id": "Ümlaut 名 \u{1F600}", "flow": "cloud_api", "pin": "004711", "test_recipient": "+16505551234",
        "test_message": "It's \"here\" \\ %s $1", "code_issued_at": "2026-01-02 03:04:05+00", "redirect_uri": "",
        "data_localization_region": "DE",
        "webhook_override": #"{"verify_token":"vt","override_callback_uri":"https://example.com/hook"}"#,
        "metadata": #"{"a":[1,null,"é"]}"#,
    ]

    // MARK: What is enqueued

    @Test(arguments: Driver.allCases, ["function", "view"])
    func `Every field arrives as it was bound`(driver: Driver, way: String) async throws {
        let step = way == "function" ? Driver.Step.enqueue(Self.full) : .insert(Self.full)
        let answer = try #require(try await driver.run([step], as: Upstream.url()).first)
        #expect(answer.value == "1", "\(answer)")
        let stored = try await texts(
            """
            SELECT unnest(ARRAY[
                s.external_id, s.flow::text, s.waba_id, s.phone_number_id, s.business_id, s.currency, s.test_recipient,
                s.test_message, to_char(s.code_issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                coalesce(s.redirect_uri, 'NULL'), s.data_localization_region, s.override_callback_uri, s.metadata::text,
                x.code, x.pin, x.verify_token, j.step])
              FROM embark.signups AS s
              JOIN embark.secrets AS x ON x.signup_id = s.id
              JOIN embark.jobs AS j ON j.signup_id = s.id
            """
        )
        #expect(
            stored == [
                "Ümlaut 名 \u{1F600}", "cloud_api", "1001", "1002", "1003", "EUR", "+16505551234",
                "It's \"here\" \\ %s $1", "2026-01-02 03:04:05", "", "DE", "https://example.com/hook",
                #"{"a": [1, null, "é"]}"#, "AQBh-full", "004711", "vt", "exchange_code",
            ]
        )
    }

    @Test(arguments: Driver.allCases, ["function", "view"])
    func `An object mapper may name every field and bind NULL for what it does not know`(
        driver: Driver,
        way: String
    ) async throws {
        var fields = Self.full.mapValues { _ in String?.none }
        for (name, value) in Self.good { fields[name] = value }
        if way == "view" { fields["id"] = .some(nil) }
        let step = way == "function" ? Driver.Step.enqueue(fields) : .insert(fields)
        let answers = try await driver.run([step, .enqueue(Self.good)], as: Upstream.url())
        #expect(answers.map(\.value) == ["1", "2"], "\(answers)")
        // The same as what is left out.
        let kinds = "SELECT concat_ws('|', flow, plan, metadata, test_message, waba_id) FROM embark.signups"
        #expect(Set(try await texts(kinds)).count == 1)
    }

    @Test(arguments: Driver.allCases)
    func `A hundred executions of one prepared INSERT enqueue a hundred signups`(driver: Driver) async throws {
        let rows = (1...100).map { ["code-\($0)", "USD", "key-\($0)"] }
        let sql = "INSERT INTO embark.signup_inbox (code, currency, external_id) VALUES ($1, $2, $3)"
        let answers = try await driver.run([.many(sql, rows)], as: Upstream.url())
        #expect(answers.first?.error == nil)
        try await expectWhole(100)
    }

    @Test(arguments: ["", "WITH (FORMAT csv)", "WITH (FORMAT binary)"])
    func `COPY enqueues what psycopg writes, in each format`(format: String) async throws {
        let awkward = #"tab\t, "quote", \. and back\slash"#
        let rows: [[String?]] = (1...500).map { ["code \($0)", nil, "USD", "key-\($0) \(awkward)"] }
        let sql = "COPY embark.signup_inbox (code, waba_id, currency, external_id) FROM STDIN \(format)"
        guard format != "WITH (FORMAT csv)" else {
            // psycopg writes rows in the other two formats; a line of CSV is text.
            let lines: [[String?]] = (1...500).map { ["code \($0),,USD,\"key-\($0)\""] }
            let answers = try await Driver.psycopg.run([.copy(sql, lines)], as: Upstream.url())
            #expect(answers.first?.error == nil)
            return try await expectWhole(500)
        }
        let answers = try await Driver.psycopg.run([.copy(sql, rows)], as: Upstream.url())
        #expect(answers.first?.error == nil)
        try await expectWhole(500)
        #expect(try await texts("SELECT external_id FROM embark.signups WHERE id = 1") == ["key-1 \(awkward)"])
    }

    @Test(arguments: Driver.allCases)
    func `A statement of many rows returns their ids in order`(driver: Driver) async throws {
        let sql = "INSERT INTO embark.signup_inbox (code, currency) VALUES ($1, $4), ($2, $4), ($3, $4) RETURNING id"
        let answer = try await driver.run(sql, ["a", "b", "c", "USD"], as: Upstream.url())
        #expect(answer.rows == [["1"], ["2"], ["3"]])
        #expect(try await texts("SELECT code FROM embark.secrets ORDER BY signup_id") == ["a", "b", "c"])
    }

    // MARK: The caller's transaction

    @Test(arguments: Driver.allCases)
    func `What is rolled back was not enqueued`(driver: Driver) async throws {
        let steps: [Driver.Step] = [
            .init("BEGIN"), .enqueue(Self.good), .insert(Self.good), .init("ROLLBACK"),
            .init("BEGIN"), .enqueue(Self.good(["external_id": "kept"])), .init("SAVEPOINT a"),
            .enqueue(Self.good(["code": "tab\t"])), .init("ROLLBACK TO SAVEPOINT a"), .insert(Self.good),
            .init("COMMIT"),
        ]
        let answers = try await driver.run(steps, as: Upstream.url())
        #expect(answers.map(\.sqlState) == [nil, nil, nil, nil, nil, nil, nil, "22023", nil, nil, nil])
        try await expectWhole(2)
    }

    @Test(arguments: Driver.allCases)
    func `The same content returns the first id, and other content is refused`(driver: Driver) async throws {
        let first = Self.good(["external_id": "same", "metadata": #"{"a":1,"b":2}"#])
        let again = first.merging(["metadata": #"{ "b": 2, "a": 1 }"#, "code_issued_at": "2026-01-01T00:00:00Z"]) { $1 }
        let other = first.merging(["pin": "123456"]) { $1 }
        let steps: [Driver.Step] = [.enqueue(first), .enqueue(again), .insert(again), .enqueue(other), .insert(other)]
        let answers = try await driver.run(steps, as: Upstream.url())
        #expect(answers.prefix(3).map(\.value) == ["1", "1", "1"])
        for answer in answers.suffix(2) {
            #expect(answer.sqlState == "23505")
            #expect(answer.error?["schema_name"] == "embark")
            #expect(answer.error?["column_name"] == "external_id")
        }
        try await expectWhole(1)
    }

    @Test(
        arguments: Driver.allCases,
        [("same", "COMMIT"), ("other", "COMMIT"), ("same", "ROLLBACK"), ("other", "ROLLBACK")]
    )
    func `Of two transactions with one external id the second waits for the first`(
        driver: Driver,
        race: (content: String, end: String)
    ) async throws {
        let (content, end) = race
        let application = try await Upstream.url()
        let fields = Self.good(["external_id": "contested"])
        let second = content == "same" ? fields : fields.merging(["code": "other"]) { $1 }
        try await withConnection { referee in
            try await referee.script("SELECT pg_advisory_lock(1)")
            async let one = driver.run(
                [.init("BEGIN"), .enqueue(fields), .init("SELECT pg_advisory_xact_lock(1)"), .init(end)],
                as: application
            )
            try await waits("advisory", 1)
            async let other = driver.run([.enqueue(second)], as: application)
            try await waits("transactionid", 1)
            try await referee.script("SELECT pg_advisory_unlock(1)")

            #expect(try await one.allSatisfy { $0.error == nil })
            let answer = try #require(try await other.first)
            if end == "ROLLBACK" {
                #expect(answer.value == "2")
            } else if content == "same" {
                #expect(answer.value == "1")
            } else {
                #expect(answer.sqlState == "23505")
            }
        }
        try await expectWhole(1)
        #expect(
            try await texts("SELECT code FROM embark.secrets") == [
                end == "ROLLBACK" && content == "other" ? "other" : "AQBh-code"
            ]
        )
    }

    @Test(arguments: Driver.allCases, ["same", "other"])
    func `Under serializable isolation the later of two is told to try again, and then gets its answer`(
        driver: Driver,
        content: String
    ) async throws {
        let application = try await Upstream.url()
        let fields = Self.good(["external_id": "contested"])
        let second = content == "same" ? fields : fields.merging(["code": "other"]) { $1 }
        let begin = Driver.Step("BEGIN ISOLATION LEVEL SERIALIZABLE")
        try await withConnection { referee in
            try await referee.script("SELECT pg_advisory_lock(1)")
            async let one = driver.run(
                [begin, .enqueue(fields), .init("SELECT pg_advisory_xact_lock(1)"), .init("COMMIT")],
                as: application
            )
            try await waits("advisory", 1)
            async let other = driver.run(
                [begin, .enqueue(second), .init("ROLLBACK"), begin, .enqueue(second), .init("COMMIT")],
                as: application
            )
            try await waits("transactionid", 1)
            try await referee.script("SELECT pg_advisory_unlock(1)")
            #expect(try await one.allSatisfy { $0.error == nil })
            let answers = try await other
            #expect(answers[1].sqlState == "40001")
            if content == "same" { #expect(answers[4].value == "1") } else { #expect(answers[4].sqlState == "23505") }
        }
        try await expectWhole(1)
    }

    @Test(arguments: Driver.allCases)
    func `Serializable transactions with signups of their own do not get in each other's way`(
        driver: Driver
    ) async throws {
        let application = try await Upstream.url()
        let begin = Driver.Step("BEGIN ISOLATION LEVEL SERIALIZABLE")
        try await withThrowingTaskGroup(of: [Driver.Answer].self) { group in
            for client in 1...3 {
                let steps = (1...20).flatMap { number -> [Driver.Step] in
                    [begin, .enqueue(Self.good(["external_id": "\(client)-\(number)"])), .init("COMMIT")]
                }
                group.addTask { try await driver.run(steps, as: application) }
            }
            for try await answers in group { #expect(answers.compactMap(\.error).isEmpty) }
        }
        try await expectWhole(60)
    }

    // MARK: What is refused

    @Test(arguments: Driver.allCases)
    func `An error names the field and the rule in parts that programs can read`(driver: Driver) async throws {
        let bad = Self.good(["waba_id": "12 34"])
        let answers = try await driver.run([.enqueue(bad), .insert(bad)], as: Upstream.url())
        for answer in answers {
            let error = try #require(answer.error)
            #expect(error["sqlstate"] == "22023")
            #expect(error["schema_name"] == "embark")
            #expect(error["column_name"] == "waba_id")
            #expect(error["message_primary"] == "waba_id must be 1 to 32 ASCII digits")
            #expect(error["message_hint"] == "Correct the field and send it again.")
        }
        #expect(answers[0].error?["message_detail"] == "Nothing was enqueued.")
        #expect(answers[1].error?["message_detail"] == "It is row 1 of the statement, which enqueued nothing.")
        try await expectWhole(0)
    }

    @Test(arguments: Driver.allCases)
    func `The application's role can do what is promised and nothing else`(driver: Driver) async throws {
        let allowed = [
            "SELECT * FROM embark.signup_status", "SELECT * FROM embark.outcomes_since(0, 10)",
            "LISTEN embark_outcomes",
        ]
        let tables = ["signups", "secrets", "jobs", "attempts", "outcomes", "installation", "audit", "workers"]
        let denied =
            tables.map { "SELECT * FROM embark.\($0)" } + [
                "INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES (1, 'x', 0, now())",
                "UPDATE embark.signups SET state = 'completed'", "DELETE FROM embark.signups",
                "SELECT code FROM embark.signup_inbox", "SELECT embark.credential(1)",
                "SELECT embark.number_outcomes(1)",
                "SELECT embark.wake_workers()", "SELECT embark.raise_refusal('22023 a b', 'c')",
            ]
        let answers = try await driver.run((allowed + denied).map { Driver.Step($0) }, as: Upstream.url())
        for (sql, answer) in zip(allowed, answers) { #expect(answer.error == nil, "\(sql)") }
        for (sql, answer) in zip(denied, answers.dropFirst(allowed.count)) {
            #expect(answer.sqlState == "42501", "\(sql): \(answer)")
        }
    }

    // MARK: Looking

    /// Exactly so many signups, each with its secrets and its job.
    private func expectWhole(_ signups: Int64, at location: SourceLocation = #_sourceLocation) async throws {
        for table in ["signups", "secrets", "jobs"] {
            #expect(try await count("embark.\(table)") == signups, "\(table)", sourceLocation: location)
        }
    }

    /// Returns when so many of the application's sessions wait for a lock of this kind.
    private func waits(_ kind: String, _ sessions: Int64) async throws {
        try await eventually("\(sessions) wait for a lock of the kind \(kind)", within: .seconds(20)) {
            let waiting =
                "pg_stat_activity WHERE datname = current_database() AND usename = '\(Upstream.role)'"
                + " AND wait_event_type = 'Lock' AND wait_event = '\(kind)'"
            return try await count(waiting) == sessions
        }
    }
}
