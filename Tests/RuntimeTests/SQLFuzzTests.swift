/// Whatever the functions and views of the SQL interface are given, they do it, or refuse it by a rule that is documented.
import Foundation
import FuzzTargets
import Postgres
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct SQLFuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seed = environment["EMBARK_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
    private static let count = environment["EMBARK_FUZZ_COUNT"].flatMap { Int($0) } ?? 3000

    /// Those that a role outside of Embark may call. One that is not here, or has an argument without a generator, fails the test.
    private static let functions: [String: Set<Ending>] = [
        "enqueue_signup": [.did, .refused], "renew_signup": [.did, .refused], "replay": [.did, .refused],
        "resolve": [.did, .refused], "skip": [.did, .refused], "cancel": [.did, .refused], "mend": [.did, .refused],
        "pause": [.did, .refused], "resume": [.did, .refused], "replay_refusal": [.did], "outcomes_since": [.did],
        "credential": [.did], "count_sealed": [.did],
    ]
    private static let roles = ["embark_upstream", "embark_operator", "embark_reader", "embark_token_reader"]

    private enum Ending: Hashable { case did, refused }

    /// What a role may call, from PostgreSQL's catalogue.
    private struct Callable: RowDecodable {
        let role: String
        let name: String
        let arguments: [String]
        let types: [String]
        let defaults: Int

        static let columnTypes: [PostgresType] = [.text, .text, .text, .text, .int8]

        init(_ row: inout RowReader) throws(PostgresError) {
            role = try row.next()
            name = try row.next()
            arguments = (try row.next() as String).split(separator: ",").map(String.init)
            types = (try row.next() as String).split(separator: ",").map(String.init)
            defaults = Int(try row.next() as Int64)
        }

        static let all = Statement<Callable>(
            "fuzz_callable",
            """
            SELECT r.rolname::text, p.proname::text, array_to_string(p.proargnames[1:p.pronargs], ','),
                   array_to_string(ARRAY(SELECT format_type(t.oid, NULL) FROM unnest(p.proargtypes) AS t (oid)), ','),
                   p.pronargdefaults::bigint
              FROM pg_proc AS p, pg_roles AS r
             WHERE p.pronamespace = 'embark'::regnamespace AND r.rolname ~ '^embark_(upstream|operator|reader|token_reader)$'
               AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
             ORDER BY p.proname, r.rolname
            """
        )

        /// The first so many arguments, from one array of texts.
        func call(_ count: Int) -> String {
            let given = (0..<count).map { "\(arguments[$0]) => ($1::text[])[\($0 + 1)]::\(types[$0])" }
            return "SELECT count(*) FROM embark.\(name)(\(given.joined(separator: ", "))) AS x"
        }
    }

    @Test func `Every call does what it says or is refused by a documented rule, and shows no value`() async throws {
        print("the SQL interface: seed \(Self.seed), \(Self.count) calls")
        let database = try await OwnServer.makeDatabase()
        try await Upstream.configure(database)
        try await withConnection(to: database) { administrator in
            let callable = try await administrator.run(Callable.all())
            #expect(Set(callable.map(\.name)) == Set(Self.functions.keys), "each has a generator, and no other")
            var endings: [String: Set<Ending>] = [:]
            var fuzz = SQLFuzz(seed: Self.seed)
            try await Self.withSessions(database) { sessions in
                for number in 0..<Self.count {
                    if number % 40 == 39 { try await Self.letSomeFail(number, administrator) }
                    // Half of the calls bring new signups: the others need something to work on.
                    let isNew = number % 2 == 0
                    let choice = fuzz.pick(callable.filter { ($0.name == "enqueue_signup") == isNew })
                    let session = try #require(sessions[choice.role])
                    let arguments = choice.arguments
                    let (what, ending): (String, Ending) =
                        if isNew, number % 4 == 0 {
                            ("signup_inbox", try await Self.insert(arguments, &fuzz, session))
                        } else {
                            (choice.name, try await Self.call(choice, &fuzz, session))
                        }
                    endings[what, default: []].insert(ending)
                }
                try await Self.enqueueLines(Self.count / 4, &fuzz, try #require(sessions["embark_upstream"]))
                try await Self.readEverything(sessions)
            }
            let expected = Self.functions.merging(["signup_inbox": [.did, .refused]]) { $1 }
            #expect(endings == expected, "each was let through and refused, where it can be")
            try await Self.expectWholeTables(administrator)
        }
        let log = try await Self.log()
        #expect(log.contains("ERROR:  "), "it is the right log, and the refusals are in it")
        #expect(!log.contains(SQLFuzz.canary), "a value stands in the server's log")
    }

    /// A session for each role, none of whose statements may take longer than a second.
    private static func withSessions(
        _ database: String,
        _ body: ([String: Connection]) async throws -> Void
    ) async throws {
        var sessions: [String: Connection] = [:]
        for role in roles {
            let session = try await Connection.open(ConnectionOptions(database, applicationName: "fuzz"))
            try await session.script("SET ROLE \(role); SET statement_timeout = '1s'")
            sessions[role] = session
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(sessions))
        } catch {
            outcome = .failure(error)
        }
        for session in sessions.values { await session.close() }
        try outcome.get()
    }

    // MARK: Calls

    private static func call(_ choice: Callable, _ fuzz: inout SQLFuzz, _ session: Connection) async throws -> Ending {
        let required = choice.arguments.count - choice.defaults
        let count = fuzz.chance(0.7) ? choice.arguments.count : fuzz.pick(Array(required...choice.arguments.count))
        let given = Array(choice.arguments.prefix(max(count, required)))
        let hostile = given.isEmpty ? [] : fuzz.hostility(of: given)
        let values = try given.map { try fuzz.value($0, isHostile: hostile.contains($0)) }
        let statement = Statement<Single<Int64>, [String?]>(
            "fuzz_\(choice.name)_\(given.count)",
            choice.call(given.count)
        )
        return try await ending(of: statement, values, choice.arguments, session)
    }

    private static func insert(_ columns: [String], _ fuzz: inout SQLFuzz, _ session: Connection) async throws -> Ending
    {
        let hostile = fuzz.hostility(of: columns)
        let values = try columns.map { try fuzz.value($0, isHostile: hostile.contains($0)) }
        let places = columns.indices.map { "($1::text[])[\($0 + 1)]" }.joined(separator: ", ")
        let rows = fuzz.pick([1, 1, 2, 3])
        let statement = Statement<Single<Int64>, [String?]>(
            "fuzz_inbox_\(rows)",
            """
            WITH entered AS (
                INSERT INTO embark.signup_inbox (\(columns.joined(separator: ", ")))
                SELECT \(places) FROM generate_series(1, \(rows)) RETURNING id)
            SELECT count(e.id) FROM entered AS e
            """
        )
        return try await ending(of: statement, values, columns, session)
    }

    private static func ending(
        of statement: Statement<Single<Int64>, [String?]>,
        _ values: [String?],
        _ arguments: [String],
        _ session: Connection
    ) async throws -> Ending {
        do {
            _ = try await session.run(statement(values))
            return .did
        } catch {
            let shown = values.map { $0.map { String($0.prefix(80)).debugDescription } ?? "NULL" }.joined(
                separator: ", "
            )
            expectDocumented(error, arguments, "\(statement.name)(\(shown))")
            guard error.kind == .server else { throw error }
            return .refused
        }
    }

    /// One of the SQLSTATEs of the contract, the field in the error's column, and nothing of any value.
    private static func expectDocumented(_ error: PostgresError, _ arguments: [String], _ call: String) {
        let isRule = ["22023", "23505", "P0002", "55000"].contains(error.sqlState) && error.schemaName == "embark"
        let words = [error.serverMessage, error.serverDetail, error.serverHint].compactMap(\.self)
        if !isRule { Issue.record("\(call): \(error), \(words)") }
        if isRule, error.columnName.map(arguments.contains) != true {
            Issue.record("\(call): no argument is called \(error.columnName ?? "NULL")")
        }
        if words.contains(where: { $0.contains(SQLFuzz.canary) }) { Issue.record("\(call): shows a value: \(words)") }
    }

    /// As `embark signup add` does it: in batches, each line in a statement of its own.
    private static func enqueueLines(_ count: Int, _ fuzz: inout SQLFuzz, _ session: Connection) async throws {
        let names = [
            "code", "waba_id", "phone_number_id", "business_id", "currency", "external_id", "flow", "pin",
            "test_recipient",
            "test_message", "code_issued_at", "redirect_uri", "data_localization_region", "webhook_override",
            "metadata",
        ]
        var ended: [String: Int] = [:]
        for _ in 0..<(count / 50) {
            let lines = try (0..<50).map { _ in try fuzz.line(names) }
            for (line, result) in zip(lines, await SignupStore.enqueue(jsonLines: lines, on: session)) {
                switch result {
                case .success(let row):
                    let problem = row.problem ?? ""
                    if (row.id == nil) == problem.isEmpty || problem.contains(SQLFuzz.canary) {
                        Issue.record("\(line.prefix(300)): \(problem)")
                    }
                    ended[row.id == nil ? "no signup" : "enqueued", default: 0] += 1
                case .failure(let error):
                    expectDocumented(error, names, String(line.prefix(300)))
                    ended["refused", default: 0] += 1
                }
            }
        }
        #expect(count < 50 || ended.keys.count == 3, "\(ended)")
    }

    // MARK: What is there afterwards

    /// What workers would do: some signups fail, at a step of theirs, and some complete.
    private static func letSomeFail(_ round: Int, _ administrator: Connection) async throws {
        try await administrator.script(
            """
            WITH picked AS (
                SELECT s.id, abs(hashint8(s.id * 7919 + \(round))) AS dice FROM embark.signups AS s
                 WHERE s.state = 'running' ORDER BY hashint8(s.id + \(round)) LIMIT 12
            ), ended AS (
                DELETE FROM embark.jobs AS j USING picked AS p WHERE j.signup_id = p.id RETURNING p.id, p.dice
            ), outcome AS (
                INSERT INTO embark.outcomes (signup_id, generation, type)
                SELECT s.id, s.generation, CASE WHEN e.dice % 5 = 0 THEN 'signup.completed' ELSE 'signup.failed' END::embark.outcome_type
                  FROM ended AS e JOIN embark.signups AS s ON s.id = e.id
            )
            UPDATE embark.signups AS s
               SET state = CASE WHEN e.dice % 5 = 0 THEN 'completed' ELSE 'failed' END::embark.signup_state,
                   warnings = CASE WHEN e.dice % 10 = 0 THEN '{test_message_uncertain}' ELSE s.warnings END,
                   failed_step = CASE WHEN e.dice % 5 > 0 THEN s.plan[1 + e.dice / 5 % cardinality(s.plan)] END,
                   waiting_on = CASE WHEN e.dice % 5 > 0 THEN (ARRAY['customer', 'operator'])[1 + e.dice % 2] END::embark.party,
                   error_code = CASE WHEN e.dice % 5 > 0 THEN (ARRAY['code_expired', 'effect_uncertain', 'credit_share_elsewhere',
                                                                     '133005'])[1 + e.dice / 2 % 4] END
              FROM ended AS e
             WHERE s.id = e.id;
            SELECT embark.number_outcomes(1000);
            """
        )
    }

    /// Each view that each role may read, whole, and within the second.
    private static func readEverything(_ sessions: [String: Connection]) async throws {
        var read = 0
        for (role, session) in sessions {
            let views = try await session.values(
                """
                SELECT c.relname::text FROM pg_class AS c
                 WHERE c.relnamespace = 'embark'::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')
                """,
                as: String.self
            )
            for view in views {
                _ = try await session.value("SELECT count(v::text) FROM embark.\(view) AS v", as: Int64.self)
                read += 1
            }
            #expect(role == "embark_token_reader" || !views.isEmpty, "\(role) reads something")
        }
        #expect(read >= 5)
    }

    private static func expectWholeTables(_ administrator: Connection) async throws {
        let broken = try await administrator.values(
            """
            SELECT 'signup ' || s.id || ' is ' || s.state || ' with ' || count(j.signup_id) || ' jobs'
              FROM embark.signups AS s LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
             GROUP BY s.id HAVING count(j.signup_id) <> CASE WHEN s.state = 'running' THEN 1 ELSE 0 END
             UNION ALL
            SELECT 'job of no signup: ' || j.signup_id FROM embark.jobs AS j
             WHERE NOT EXISTS (SELECT FROM embark.signups AS s WHERE s.id = j.signup_id)
             UNION ALL
            SELECT 'signup ' || s.id || ' has no secrets' FROM embark.signups AS s
             WHERE NOT EXISTS (SELECT FROM embark.secrets AS x WHERE x.signup_id = s.id)
             UNION ALL
            SELECT 'signup ' || s.id || ' is ' || s.state || ' and waits on ' || coalesce(s.waiting_on::text, 'nobody')
              FROM embark.signups AS s
             WHERE (s.state = 'failed') <> (num_nonnulls(s.waiting_on, s.failed_step) = 2)
             UNION ALL
            SELECT 'outcome number ' || o.seq || ' stands twice' FROM embark.outcomes AS o GROUP BY o.seq HAVING count(*) > 1 AND o.seq IS NOT NULL
             UNION ALL
            SELECT 'a scope rests without an end' FROM embark.throttles AS t WHERE NOT isfinite(t.until)
            """,
            as: String.self
        )
        #expect(broken.isEmpty, "\(broken.prefix(5))")
        let rows = try await administrator.values(
            "SELECT count(*) FROM embark.signups UNION ALL SELECT count(*) FROM embark.audit",
            as: Int64.self
        )
        #expect(rows.allSatisfy { $0 >= 100 }, "the calls had something to work on: \(rows)")
    }

    private static func log() async throws -> String {
        let directory = try await withConnection(to: OwnServer.url) {
            try await $0.value("SELECT current_setting('data_directory')", as: String.self)
        }
        return String(decoding: try Data(contentsOf: URL(filePath: directory + "/server.log")), as: UTF8.self)
    }
}
