/// Runs what README.md tells an upstream developer to run, as it stands there.
import Foundation
import Postgres
import Support
import Testing

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct ReadmeTests {
    /// The section's blocks, by the words in which each differs from the others of its language.
    private static let known: [Block.Key] = [
        .init("sql admin", "CREATE ROLE acme_app"), .init("sql", "CREATE TABLE acme.customers"),
        .init("sql", "SELECT embark.enqueue_signup("), .init("sql", "INSERT INTO embark.signup_inbox"),
        .init("sql", "COPY embark.signup_inbox"), .init("python", "def enqueue("), .init("python", ".copy("),
        .init("javascript", "function enqueue("), .init("sql", "embark.outcomes_since"),
        .init("sql", "embark.signup_status"),
        .init("sql", "embark.renew_signup"),
    ]

    /// Where the examples run: a configured database, whose login role `acme_app` the README's own block has made.
    private struct Place {
        let administrator: String
        let application: String

        /// Runs a block of SQL with psql.
        func psql(_ key: Block.Key) async throws -> String {
            let url = key.language == "sql admin" ? administrator : application
            let arguments = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", url]
            let result = try await Command.program("psql", arguments, input: try Block.find(key).text)
            guard result.code == 0 else { throw SupportError("the block \(key) failed: \(result.err)") }
            return result.out.trimmingCharacters(in: .whitespacesAndNewlines)
        }

        func texts(_ sql: String) async throws -> [String] {
            try await withConnection(to: administrator) { try await $0.values(sql, as: String.self) }
        }

        /// Writes outcomes as a worker does, and numbers them, which sends the notification.
        func end(_ externalID: String, as type: String, errorCode: String? = nil) async throws {
            let columns = errorCode.map { "'\(type)', '\($0)', 'customer'" } ?? "'\(type)', NULL, NULL"
            let update =
                errorCode.map {
                    "state = 'failed', failed_step = 'exchange_code', error_code = '\($0)', waiting_on = 'customer'"
                } ?? "state = 'completed'"
            try await withConnection(to: administrator) { connection in
                try await connection.script(
                    """
                    BEGIN;
                    UPDATE embark.signups SET \(update) WHERE external_id = '\(externalID)';
                    DELETE FROM embark.jobs USING embark.signups AS s
                     WHERE s.id = signup_id AND s.external_id = '\(externalID)';
                    INSERT INTO embark.outcomes (signup_id, generation, type, error_code, waiting_on)
                    SELECT id, generation, \(columns) FROM embark.signups WHERE external_id = '\(externalID)';
                    COMMIT;
                    SELECT embark.number_outcomes(100);
                    """
                )
            }
        }
    }

    private func withPlace(_ body: (Place) async throws -> Void) async throws {
        try await OwnServer.forgetEmbark()
        try await OwnServer.administer("DROP ROLE IF EXISTS acme_app")
        let database = try await OwnServer.makeDatabase()
        try await Upstream.configure(database)
        let place = Place(administrator: database, application: try url(database, user: "acme_app"))
        _ = try await place.psql(.init("sql admin", "CREATE ROLE acme_app"))
        _ = try await place.psql(.init("sql", "CREATE TABLE acme.customers"))
        try await body(place)
    }

    // MARK: The blocks

    @Test func `The section has the blocks that these tests run, and no other`() throws {
        let blocks = try Block.all()
        for key in Self.known { _ = try Block.find(key) }
        #expect(blocks.count == Self.known.count)
    }

    @Test func `The administrator's block makes a role with the right settings and the one right`() async throws {
        try await withPlace { place in
            let settings = try await place.texts(
                "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'acme_app' AND rolcanlogin AND NOT rolsuper ORDER BY 1"
            )
            #expect(settings == ["log_parameter_max_length=0", "log_parameter_max_length_on_error=0"])
            let groups = try await place.texts(
                """
                SELECT roleid::regrole::text FROM pg_auth_members
                 WHERE member = 'acme_app'::regrole ORDER BY 1
                """
            )
            #expect(groups == ["embark_upstream"])
            let doctor = try await Command.run(["doctor"], database: place.administrator)
            #expect(!doctor.all.contains("acme_app"))
        }
    }

    @Test func `The SQL blocks enqueue, read and renew`() async throws {
        try await withPlace { place in
            #expect(try await place.psql(.init("sql", "SELECT embark.enqueue_signup(")) == "1")
            #expect(try await place.psql(.init("sql", "INSERT INTO embark.signup_inbox")) == "2")
            _ = try await place.psql(.init("sql", "COPY embark.signup_inbox"))
            let enqueued = try await place.texts(
                """
                SELECT concat_ws(' ', s.external_id, s.waba_id, s.currency, x.code, j.step)
                  FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id
                  JOIN embark.jobs AS j ON j.signup_id = s.id ORDER BY s.id
                """
            )
            #expect(
                enqueued == [
                    "acme-7731 102290129340398 USD AQBh-a-code-from-the-popup exchange_code",
                    "acme-7732 102290129340398 USD AQBh-another-code exchange_code",
                    "acme-7733 102290129340398 USD AQBh-a-third-code exchange_code",
                    "acme-7734 102290129340398 USD AQBh-a-fourth-code exchange_code",
                ]
            )
            #expect(try await place.psql(.init("sql", "embark.signup_status")) == "running|exchange_code|||")

            try await place.end("acme-7731", as: "signup.failed", errorCode: "code_expired")
            #expect(
                try await place.psql(.init("sql", "embark.outcomes_since"))
                    == "1|acme-7731|signup.failed|code_expired|customer|{}"
            )
            #expect(
                try await place.psql(.init("sql", "embark.signup_status"))
                    == "failed|exchange_code|customer|code_expired|"
            )
            #expect(try await place.psql(.init("sql", "embark.renew_signup")) == "1")
            let renewed = try await place.texts(
                """
                SELECT concat_ws(' ', s.state, s.generation, x.code)
                  FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id WHERE s.id = 1
                """
            )
            #expect(renewed == ["running 2 AQCk-a-new-code"])
        }
    }

    @Test(arguments: [(Driver.psycopg, "python", "def enqueue("), (.nodePostgres, "javascript", "function enqueue(")])
    func `The example enqueues, handles what is refused, and reads the outcome when it is told of it`(
        driver: Driver,
        language: String,
        words: String
    ) async throws {
        try await withPlace { place in
            let text = try Block.find(.init(language, words)).text
            async let example = driver.runProgram(text, database: place.application)
            // The last that the example asks before it waits.
            try await eventually("the example waits for an outcome", within: .seconds(20)) {
                try await place.texts(
                    """
                    SELECT 'waits' WHERE EXISTS (
                        SELECT FROM pg_stat_activity WHERE usename = 'acme_app' AND state = 'idle' AND query LIKE 'SELECT outcome %')
                    """
                ) == ["waits"]
            }
            let name = language == "python" ? "python" : "node"
            let clock = ContinuousClock()
            let told = clock.now
            try await place.end("\(name)-1", as: "signup.failed", errorCode: "code_expired")
            let result = try await example
            #expect(clock.now - told < .seconds(20), "it has looked by itself and not because it was told")
            #expect(result.code == 0, "\(result.err)")
            #expect(
                result.outLines.map { $0.replacing("None", with: "null") } == [
                    "enqueued as 1", "enqueued as 1", "already enqueued with other content: \(name)-1",
                    "correct the field waba_id: waba_id must be 1 to 32 ASCII digits",
                    "signup.failed \(name)-1 code_expired customer",
                ]
            )
            #expect(
                try await place.texts("SELECT concat_ws(' ', id, signup_id, outcome) FROM acme.customers")
                    == ["\(name)-1 1 signup.failed"]
            )
            #expect(try await place.texts("SELECT seq::text FROM acme.embark_cursor") == ["1"])
            #expect(
                try await place.texts("SELECT concat_ws(' ', external_id, business_id, metadata) FROM embark.signups")
                    == [#"\#(name)-1 2729063490586005 {"source": "web"}"#]
            )
        }
    }

    @Test func `The bulk example enqueues a thousand signups`() async throws {
        try await withPlace { place in
            let text = try Block.find(.init("python", ".copy(")).text
            let result = try await Driver.psycopg.runProgram(text, database: place.application)
            #expect(result.code == 0, "\(result.err)")
            let counts = try await place.texts(
                "SELECT concat_ws(' ', count(*), count(DISTINCT external_id)) FROM embark.signups JOIN embark.jobs ON signup_id = id"
            )
            #expect(counts == ["1000 1000"])
        }
    }
}

/// A fenced block of README.md.
private struct Block {
    /// Its info string, and words that no other block of this language holds.
    struct Key: Sendable, CustomStringConvertible {
        let language: String
        let words: String

        init(_ language: String, _ words: String) {
            self.language = language
            self.words = words
        }

        var description: String { "```\(language) … \(words)" }
    }

    let language: String
    let text: String

    /// The blocks of the section for upstream that a program can run.
    static func all() throws -> [Block] {
        let path = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/README.md"
        let lines = try String(contentsOfFile: path, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(of: "## Enqueue a signup") else {
            throw SupportError("README.md has no section \"Enqueue a signup\"")
        }
        let section = lines[(start + 1)...].prefix { !$0.hasPrefix("## ") }
        // Between the fences text and blocks take turns.
        return section.split(omittingEmptySubsequences: false) { $0.hasPrefix("```") && $0.count == 3 }
            .compactMap { part in
                guard let fence = part.firstIndex(where: { $0.hasPrefix("```") }) else { return nil }
                let text = part[(fence + 1)...].joined(separator: "\n") + "\n"
                return Block(language: String(part[fence].dropFirst(3)), text: text)
            }
    }

    static func find(_ key: Key) throws -> Block {
        let found = try all().filter { $0.language == key.language && $0.text.contains(key.words) }
        guard found.count == 1, let block = found.first else {
            throw SupportError("README.md has \(found.count) blocks \(key), and not one")
        }
        return block
    }
}
