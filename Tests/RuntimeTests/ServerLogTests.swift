/// No code, PIN or verify token that upstream hands in stands in PostgreSQL's own log, in an error, or in a dump.
import Foundation
import Postgres
import Support
import Testing

/// The server has PostgreSQL's default settings. Every test makes its own database and its own secrets, and looks for those
/// in the whole log.
@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct ServerLogTests {
    /// Values that nothing else contains. What must not be shown holds one of them.
    private struct Canary {
        let word = "CANARY" + String(UInt64.random(in: .min ... .max), radix: 36)
        /// Six digits that stand alone nowhere by chance: a log has times with three decimals and process ids.
        let pin = String(UInt32.random(in: 100_000...999_999))

        /// A good signup, every secret of which can be recognised.
        func fields(_ number: Int = 0) -> [String: String?] {
            [
                "code": "\(word)-code-\(number)", "pin": pin, "currency": "USD", "external_id": "key-\(number)",
                "webhook_override":
                    #"{"override_callback_uri":"https://example.com","verify_token":"\#(word)-token-\#(number)"}"#,
            ]
        }

        func shows(in text: some StringProtocol) -> Bool {
            text.contains(word) || text.split { !$0.isNumber }.contains { $0 == pin }
        }
    }

    // MARK: Refusals

    @Test(arguments: InputRule.all)
    func `A refusal names the field and shows no value, whichever way the signup came`(rule: InputRule) async throws {
        // Refusals leave no trace: that is checked, and lets them share a database.
        try await withDatabase(ofItsOwn: !rule.installation.isEmpty) { place in
            if !rule.installation.isEmpty { try await place.script(rule.installation) }
            let canary = Canary()
            let bad = rule.breaking(canary.fields(500), canary.word)
            let bound: [Driver.Step] = rule.onlyInView ? [.insert(bad)] : [.enqueue(bad), .insert(bad)]

            // The bad line in the middle of a thousand good ones.
            let columns = bad.keys.sorted()
            let rows = (0..<1000).map { number in
                let fields = number == 500 ? bad : rule.keeping(canary.fields(number))
                return columns.map { fields[$0] ?? nil }
            }
            let copies = ["", " WITH (FORMAT binary)"].map { format in
                Driver.Step.copy(
                    "COPY embark.signup_inbox (\(columns.joined(separator: ", "))) FROM STDIN\(format)",
                    rows
                )
            }
            let answers = try await Driver.psycopg.run(
                bound + (rule.onlyInText ? [copies[0]] : copies),
                as: place.application
            )
            for answer in answers.dropFirst(bound.count) {
                #expect(answer.error?["message_detail"] == "It is row 501 of the statement, which enqueued nothing.")
            }

            let all = try await answers + Driver.nodePostgres.run(bound, as: place.application)
            for answer in all {
                let error = try #require(answer.error)
                #expect(error["sqlstate"] == rule.sqlState, "\(error)")
                #expect(error["column_name"] == rule.field)
                #expect(error["message_primary"]?.hasPrefix(rule.field) == true)
                for (part, text) in error { #expect(!canary.shows(in: text), "\(part): \(text)") }
            }
            let log = try await place.log()
            #expect(!canary.shows(in: log))
            // It is the right log, and every refusal is in it.
            let lines = log.split(separator: "\n").filter { $0.contains("ERROR:  \(rule.field)") }
            #expect(lines.count == all.count)
            #expect(try await place.count("embark.signups") == rule.signupsBefore)
        }
    }

    @Test(arguments: Driver.allCases)
    func `A renewal shows no value, refused or not`(driver: Driver) async throws {
        try await withDatabase { place in
            let canary = Canary()
            let fail =
                "UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer'"
            _ = try await driver.run([.enqueue(canary.fields(1))], as: place.application)
            let new = ["external_id": "key-1", "code": canary.word + "-new", "pin": canary.pin]
            let refusals: [(with: [String: String], field: String, sqlState: String)] = [
                (["code": canary.word + "\u{7F}"], "code", "22023"), (["pin": canary.word], "pin", "22023"),
                (["external_id": canary.word], "external_id", "P0002"),
                (["external_id": canary.word + "\n"], "external_id", "22023"), ([:], "external_id", "55000"),
            ]
            for refusal in refusals {
                let step = Driver.Step.renew(new.merging(refusal.with) { $1 })
                let error = try #require(try await driver.run([step], as: place.application).first?.error)
                #expect(error["sqlstate"] == refusal.sqlState)
                #expect(error["column_name"] == refusal.field)
                for (part, text) in error { #expect(!canary.shows(in: text), "\(part): \(text)") }
            }
            try await place.script("\(fail); DELETE FROM embark.jobs")
            let answers = try await driver.run([.renew(new), .renew(new)], as: place.application)
            #expect(answers.map(\.value) == ["1", "1"], "\(answers)")
            #expect(try await !canary.shows(in: place.log()))
            #expect(try await !canary.shows(in: place.dump("--exclude-table-data=embark.secrets")))
        }
    }

    // MARK: What was accepted

    @Test(arguments: Driver.allCases)
    func `An accepted signup stands in embark.secrets and nowhere else`(driver: Driver) async throws {
        try await withDatabase { place in
            let canary = Canary()
            let fields = canary.fields()
            try await expectNothingInActivity(place, driver, canary, fields)
            if driver == .psycopg {
                let columns = fields.keys.sorted()
                let rows = (1...1000).map { number in columns.map { canary.fields(number)[$0] ?? nil } }
                let copy = "COPY embark.signup_inbox (\(columns.joined(separator: ", "))) FROM STDIN"
                let answer = try #require(try await driver.run([.copy(copy, rows)], as: place.application).first)
                #expect(answer.error == nil)
            }
            #expect(try await !canary.shows(in: place.log()))
            #expect(try await !canary.shows(in: place.dump("--exclude-table-data=embark.secrets")))
            #expect(try await canary.shows(in: place.dump("--table=embark.secrets")))
        }
    }

    /// Enqueues by function and by view, and looks at the statement while it waits behind the enqueuing.
    private func expectNothingInActivity(
        _ place: Place,
        _ driver: Driver,
        _ canary: Canary,
        _ fields: [String: String?]
    ) async throws {
        try await withConnection(to: place.administrator) { administrator in
            try await administrator.script("SELECT pg_advisory_lock(1)")
            var function = Driver.Step.enqueue(fields)
            function.sql += ", pg_advisory_xact_lock(1)"
            var view = Driver.Step.insert(fields)
            view.sql += ", pg_advisory_xact_lock(1)"
            for step in [function, view] {
                async let answers = driver.run([step], as: place.application)
                var statement = ""
                try await eventually("the statement waits", within: .seconds(20)) {
                    let query =
                        "SELECT query FROM pg_stat_activity WHERE usename = '\(Upstream.role)' AND wait_event = 'advisory'"
                    statement = try await administrator.values(query, as: String.self).first ?? ""
                    return !statement.isEmpty
                }
                #expect(statement.contains("$1") && !canary.shows(in: statement))
                try await administrator.script("SELECT pg_advisory_unlock(1)")
                #expect(try await answers.first?.error == nil)
                try await administrator.script("SELECT pg_advisory_lock(1)")
            }
        }
    }

    @Test func `With every statement logged, the recommended settings of the login role keep values out`() async throws
    {
        try await withDatabase { place in
            let everything = "log_statement = 'all'; ALTER ROLE \(Upstream.role) SET log_min_duration_statement = 0"
            try await place.script("ALTER ROLE \(Upstream.role) SET \(everything)")
            let canary = Canary()

            // Without them, values are logged: this is what they are for.
            _ = try await Driver.psycopg.run([.enqueue(canary.fields(1))], as: place.application)
            #expect(try await canary.shows(in: place.log()))

            let safe = Canary()
            try await place.script(
                """
                ALTER ROLE \(Upstream.role) SET log_parameter_max_length = 0;
                ALTER ROLE \(Upstream.role) SET log_parameter_max_length_on_error = 0;
                """
            )
            let safeBad = safe.fields(8).merging(["waba_id": safe.word]) { $1 }
            let rows: [[String?]] = (3..<8).map { ["\(safe.word)-\($0)", "USD", safe.pin] }
            for driver in Driver.allCases {
                let first = driver == .psycopg ? 11 : 21
                let steps: [Driver.Step] = [
                    .enqueue(safe.fields(first)), .insert(safe.fields(first + 1)), .enqueue(safeBad), .insert(safeBad),
                ]
                let answers = try await driver.run(steps, as: place.application)
                #expect(answers.map(\.sqlState) == [nil, nil, "22023", "22023"])
            }
            let copy = Driver.Step.copy("COPY embark.signup_inbox (code, currency, pin) FROM STDIN", rows)
            #expect(try await Driver.psycopg.run([copy], as: place.application).first?.error == nil)
            let log = try await place.log()
            #expect(log.contains("embark.enqueue_signup(code => $1"))
            #expect(!safe.shows(in: log))
            try await place.script("ALTER ROLE \(Upstream.role) RESET ALL")
        }
    }

    // MARK: What PostgreSQL itself shows: README warns of each

    @Test(arguments: PostgresLeak.all)
    func `PostgreSQL itself shows what README says that it shows`(leak: PostgresLeak) async throws {
        try await withDatabase(ofItsOwn: false) { place in
            let canary = Canary()
            try await withConnection(to: place.administrator) { other in
                try await other.script(
                    "BEGIN; SELECT embark.enqueue_signup('x', currency => 'USD', external_id => 'held')"
                )
                let answers = try await Driver.psycopg.run(leak.steps(canary.word), as: place.application)
                #expect(answers.last?.sqlState == leak.sqlState, "\(answers)")
            }
            #expect(try await canary.shows(in: place.log()) == leak.isShown)
            #expect(try await place.count("embark.signups") == 0)
        }
    }

    // MARK: The place

    private struct Place {
        let administrator: String
        let application: String
        /// The length of the log at the beginning, in bytes.
        let offset: Int

        func script(_ sql: String) async throws {
            try await withConnection(to: administrator) { try await $0.script(sql) }
        }

        func count(_ table: String) async throws -> Int64 {
            try await withConnection(to: administrator) { try await $0.value("SELECT count(*) FROM \(table)") }
        }

        /// What the server has logged since the beginning of the test. It writes an error before it answers.
        func log() async throws -> String {
            String(decoding: try await ServerLogTests.wholeLog().dropFirst(offset), as: UTF8.self)
        }

        func dump(_ option: String) async throws -> String {
            let dump = try await Command.program("pg_dump", [option, "--dbname", administrator])
            guard dump.code == 0 else { throw SupportError("pg_dump failed: \(dump.err)") }
            return dump.out
        }
    }

    private func withDatabase(ofItsOwn: Bool = true, _ body: (Place) async throws -> Void) async throws {
        let database = ofItsOwn ? try await Self.cloned(Self.template.value) : try await Self.shared.value
        let application = try await Upstream.url(of: database)
        let offset = try await Self.wholeLog().count
        try await body(Place(administrator: database, application: application, offset: offset))
    }

    /// A configured database, migrated once for the suite.
    private static let template = Task {
        let template = try await OwnServer.makeDatabase()
        try await Upstream.configure(template)
        return template
    }

    private static let shared = Task { try await cloned(template.value) }

    private static func cloned(_ template: String) async throws -> String {
        let name = "log_\(UInt64.random(in: .min ... .max))"
        let source = template.split(separator: "/").last ?? ""
        try await OwnServer.administer("CREATE DATABASE \(name) TEMPLATE \(source)")
        return try url(template, database: name)
    }

    private static func wholeLog() async throws -> Data {
        let directory = try await withConnection(to: OwnServer.url) {
            try await $0.value("SELECT current_setting('data_directory')", as: String.self)
        }
        return try Data(contentsOf: URL(filePath: directory + "/server.log"))
    }
}
