/// Roles by trying what each must not do, over connections of their own, in transactions that are rolled back.
import OnboardingRuntime
import Postgres
import SQL
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct RoleAttemptTests {
    private static let canary = "AQcanary51c2"

    @Test func `What a login tries works for those whom the table names, and is refused to all others`() async throws {
        let database = try await OwnServer.makeDatabase()
        try await Upstream.configure(database)
        try await withConnection(to: database) { administrator in
            for login in RoleAttempt.logins {
                try await administrator.script("CREATE ROLE try_\(login) LOGIN")
                if login != "nobody" { try await administrator.script("GRANT embark_\(login) TO try_\(login)") }
            }
            try await administrator.script(
                """
                CREATE ROLE nobody_at_all;
                SELECT embark.enqueue_signup(code => '\(Self.canary)-' || n, currency => 'USD', pin => '918273')
                  FROM generate_series(1, 20) AS n;
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
                VALUES (1, 1, 'exchange_code', 1, 'retry', now(), now());
                ANALYZE embark.secrets
                """
            )
            for login in RoleAttempt.logins {
                try await withConnection(to: url(database, user: "try_\(login)")) { session in
                    for attempt in RoleAttempt.all {
                        let refusal = try await refusal(of: attempt.statement, in: session)
                        #expect(
                            (refusal == nil) == attempt.works.contains(login),
                            "\(login): \(attempt.statement): \(refusal ?? "works")"
                        )
                    }
                }
            }
            let left = "SELECT count(*) FROM embark.secrets WHERE code LIKE '\(Self.canary)%' AND pin = '918273'"
            #expect(try await administrator.value(left, as: Int64.self) == 20)
            for login in RoleAttempt.logins { try await administrator.script("DROP ROLE try_\(login)") }
            try await administrator.script("DROP ROLE nobody_at_all")
        }
    }

    /// nil when it works. What ends otherwise than by a refusal is no test of rights.
    private func refusal(of statement: String, in session: Connection) async throws -> String? {
        try await session.script("BEGIN")
        var refusal: String?
        do throws(PostgresError) {
            try await session.script(statement)
        } catch {
            let said = [error.serverMessage, error.serverDetail, error.serverHint].compactMap(\.self)
                .joined(separator: " ")
            refusal = "\(error.sqlState ?? "") \(said)"
            // 22012: "1 / 0" says that nothing was to be seen. 55000 and 42809: a view that nobody can write.
            let isRefusal = ["42501", "22012", "55000", "42809"].contains(error.sqlState)
            #expect(isRefusal, "\(statement): \(refusal ?? "")")
            #expect(!said.contains(Self.canary))
        }
        try await session.script("ROLLBACK")
        return refusal
    }

    /// One that forgets is covered by the default rights that `prepare_database.sql` sets: here they are taken back first.
    @Test func `After each single migration PUBLIC may call nothing, and what runs as its owner is pinned`()
        async throws
    {
        let database = try await OwnServer.makeDatabase()
        try await withConnection(to: database) { connection in
            try await connection.script(
                """
                \(SQL.prepareDatabase.text);
                ALTER DEFAULT PRIVILEGES FOR ROLE embark_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC
                """
            )
            for migration in SQL.migrations {
                try await connection.script("BEGIN; SET LOCAL ROLE embark_owner; \(migration.text); COMMIT")
                let problems = try await connection.run(Queries.inspectFunctions())
                #expect(
                    problems.map { "\($0.function) \($0.problem)" } == [],
                    "\(migration.name)"
                )
                let opened = try await connection.values(
                    """
                    SELECT c.relname::text FROM pg_class AS c, aclexplode(c.relacl) AS a
                     WHERE c.relnamespace = 'embark'::regnamespace AND a.grantee = 0
                    """,
                    as: String.self
                )
                #expect(opened == [], "\(migration.name)")
            }
            let functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'embark'::regnamespace AND prosecdef"
            #expect(try await connection.value(functions, as: Int64.self) > 10)
        }
    }
}
