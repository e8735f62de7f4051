/// `embark doctor`: each thing that can be wrong is brought about once, found, and gone after its remedy.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import SQL
import Support
import Testing

@Suite(.serialized, .ownServer, .timeLimit(.minutes(5))) struct DoctorTests {
    @Test func `Of a good set-up it says what is good, and ends with 0`() async throws {
        try await withSetUp { database, connection in
            let result = try await Command.run(["doctor"], database: database)
            let version: String = try await connection.value("SELECT current_setting('server_version')")
            let name: String = try await connection.value("SELECT current_database()::text")
            #expect(
                result.out
                    == """
                        CHECK         FOUND
                    OK  database      PostgreSQL \(version), database \(name), as postgres
                    OK  clock         within a second of the database's
                    OK  schema        version \(SQL.migrations.count), up to date
                    OK  roles         all 7 are there and can only be granted
                    OK  rights        each role has what it is for
                    OK  functions     owned, pinned and revoked from PUBLIC
                    OK  secrets       only workers and the owner can read them
                    OK  server log    no login role's settings write bound parameters into it
                    OK  pauses        nothing rests
                    OK  tokens        none ends within 14 days
                    OK  keys          each worker opens what any of them seals
                    OK  installation  solution-partner, app 1234567890

                    """
            )
            #expect(result.err == "")
            #expect(result.code == 0)
        }
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON each finding is an object`(format: String) async throws {
        try await withSetUp { database, connection in
            try await connection.script("DELETE FROM embark.installation")
            let result = try await Command.run(["doctor", "-o", format], database: database)
            let findings = try format == "json" ? result.objects() : result.objectLines()
            #expect(findings.allSatisfy { Set($0.keys) == ["level", "check", "message", "remedy"] })
            #expect(findings.first?["level"] as? String == "OK")
            #expect(findings.first?["remedy"] is NSNull)
            let last = try #require(findings.last)
            #expect(last["level"] as? String == "FAIL")
            #expect(last["check"] as? String == "installation")
            #expect(last["message"] as? String == "not configured: no signup can be enqueued")
            #expect(
                last["remedy"] as? String
                    == "Run: embark configure --app-id … --credit-line-id … --system-user-id …"
            )
            #expect(result.code == 1)
        }
    }

    struct Trouble: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let provoke: String
        /// LEVEL subject: message
        let finding: String
        /// As printed; run as a superuser when it is SQL, as a command when it begins with "Run: ".
        let remedy: String
        /// What removes the trouble where the remedy is advice.
        var repair: String?
        var cleanUp = ""
    }

    private static let enqueuer = "CREATE ROLE enqueuer LOGIN; GRANT embark_upstream TO enqueuer; "

    static let troubles = [
        Trouble(
            testDescription: "a group can log in",
            provoke: "ALTER ROLE embark_worker LOGIN",
            finding:
                "FAIL roles: embark_worker can log in, or is a superuser, or bypasses row security; it must only group rights",
            remedy: "ALTER ROLE embark_worker NOLOGIN NOSUPERUSER NOBYPASSRLS;"
        ),
        Trouble(
            testDescription: "a group is a superuser",
            provoke: "ALTER ROLE embark_reader SUPERUSER",
            finding:
                "FAIL roles: embark_reader can log in, or is a superuser, or bypasses row security; it must only group rights",
            remedy: "ALTER ROLE embark_reader NOLOGIN NOSUPERUSER NOBYPASSRLS;"
        ),
        Trouble(
            testDescription: "PUBLIC may call a function",
            provoke: "GRANT EXECUTE ON FUNCTION embark.credential(bigint) TO PUBLIC",
            finding: "FAIL functions: embark.credential(bigint) may be called by everybody",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "REVOKE EXECUTE ON FUNCTION embark.credential(bigint) FROM PUBLIC"
        ),
        Trouble(
            testDescription: "SECURITY DEFINER without search_path",
            provoke: "ALTER FUNCTION embark.credential(bigint) RESET search_path",
            finding: "FAIL functions: embark.credential(bigint) is SECURITY DEFINER without a pinned search_path",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "ALTER FUNCTION embark.credential(bigint) SET search_path = pg_catalog, embark, pg_temp"
        ),
        Trouble(
            testDescription: "SECURITY DEFINER with a search_path that begins elsewhere",
            provoke: "ALTER FUNCTION embark.credential(bigint) SET search_path = public, pg_catalog, embark, pg_temp",
            finding: "FAIL functions: embark.credential(bigint) is SECURITY DEFINER without a pinned search_path",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "ALTER FUNCTION embark.credential(bigint) SET search_path = pg_catalog, embark, pg_temp"
        ),
        Trouble(
            testDescription: "an account's limit was hit",
            provoke: "INSERT INTO embark.throttles (scope, until, reason) "
                + "VALUES ('waba:7', clock_timestamp() + interval '100.9 s', '80007 limit')",
            finding: "WARN pauses: waba:7 rests for 100 s more: 80007 limit",
            remedy: "It ends by itself. To end it now: embark resume waba:7",
            repair: "SELECT embark.resume('waba:7')"
        ),
        Trouble(
            testDescription: "our system user's token was refused",
            provoke: "INSERT INTO embark.throttles (scope, until, reason, credentials) "
                + "VALUES ('system', clock_timestamp() + interval '100.9 s', '190 expired', true)",
            finding: "FAIL credentials: system rests for 100 s more: 190 expired",
            remedy: "Set EMBARK_SYSTEM_TOKEN anew, restart the workers, and run: embark resume system",
            repair: "SELECT embark.resume('system')"
        ),
        Trouble(
            testDescription: "tokens are about to end",
            provoke: "INSERT INTO embark.signups (flow, plan, code_issued_at, state, token_expires_at) "
                + "VALUES ('cloud_api', '{exchange_code}', now(), 'completed', now() + interval '5.5 days')",
            finding: "WARN tokens: 1 business tokens end within 14 days, the first in 5 days",
            remedy: "Have those customers go through the popup again, and renew their signups.",
            repair: "UPDATE embark.signups SET token_expires_at = now() + interval '15 days'"
        ),
        Trouble(
            testDescription: "a function of somebody else",
            provoke: "CREATE FUNCTION embark.strange() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
                + "REVOKE EXECUTE ON FUNCTION embark.strange() FROM PUBLIC",
            finding: "FAIL functions: embark.strange() is not owned by embark_owner",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "DROP FUNCTION embark.strange()"
        ),
        Trouble(
            testDescription: "a login role reads the secrets",
            provoke: "CREATE ROLE curious LOGIN; GRANT SELECT ON embark.secrets TO curious",
            finding: "FAIL secrets: codes and PINs can be read by: curious",
            remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of.",
            repair: "REVOKE ALL ON embark.secrets FROM curious",
            cleanUp: "DROP ROLE curious"
        ),
        Trouble(
            testDescription: "a login role reads one column of the secrets through a group",
            provoke:
                "CREATE ROLE clique; CREATE ROLE curious LOGIN IN ROLE clique; GRANT SELECT (code) ON embark.secrets TO clique",
            finding: "FAIL secrets: codes and PINs can be read by: curious",
            remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of.",
            repair: "REVOKE ALL (code) ON embark.secrets FROM clique",
            cleanUp: "DROP ROLE curious; DROP ROLE clique"
        ),
        Trouble(
            testDescription: "a failing statement's parameters are logged",
            provoke: enqueuer + "ALTER ROLE enqueuer SET log_parameter_max_length_on_error = -1",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length_on_error = -1 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        Trouble(
            testDescription: "slow statements are logged with their parameters",
            provoke: enqueuer + "ALTER ROLE enqueuer SET log_min_duration_statement = '1s'",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length = -1 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        Trouble(
            testDescription: "a setting of the role in this database, which hides that of the role",
            provoke: enqueuer + "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = 64",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length_on_error = 64 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        Trouble(
            testDescription: "a worker's login whose name needs quotes",
            provoke: #"CREATE ROLE "Work ""er" LOGIN IN ROLE embark_worker;"#
                + #"ALTER ROLE "Work ""er" SET log_parameter_max_length_on_error = 1"#,
            finding:
                #"WARN server log: Work "er: log_parameter_max_length_on_error = 1 writes codes and PINs into the server's log"#,
            remedy: #"ALTER ROLE "Work ""er" IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';"#,
            cleanUp: #"DROP ROLE "Work ""er""#
        ),
        Trouble(
            testDescription: "a worker lacks the key that another one seals with",
            provoke: """
                INSERT INTO embark.workers (host, pid, version, key_ids)
                VALUES ('a', 1, '1', '{new,old}'), ('b', 2, '1', '{old}'), ('c', 3, '0', '{}')
                """,
            finding: "FAIL keys: jobs wait for a worker with their key: worker 2 (b, process 2) lacks new",
            remedy: "Give every worker the same EMBARK_SEALING_KEYS and restart it. See: embark key list",
            repair: "UPDATE embark.workers SET key_ids = '{old,new}' WHERE id = 2"
        ),
        Trouble(
            testDescription: "not configured",
            provoke: "DELETE FROM embark.installation",
            finding: "FAIL installation: not configured: no signup can be enqueued",
            remedy: "Run: embark configure --app-id … --credit-line-id … --system-user-id …",
            repair: "INSERT INTO embark.installation (partner_mode, app_id) VALUES ('tech-provider', '1')"
        ),
        Trouble(
            testDescription: "the schema is newer",
            provoke: "INSERT INTO embark.schema_migrations VALUES (4711, 'm4711_later', 'x')",
            finding: "WARN schema: version 4711 is newer than this program",
            remedy: "Nothing breaks. Upgrade this program when the others are.",
            repair: "DELETE FROM embark.schema_migrations WHERE version = 4711"
        ),
        Trouble(
            testDescription: "a migration was altered",
            provoke: "UPDATE embark.schema_migrations SET sha256 = 'was ' || sha256 WHERE version = 2",
            finding:
                "FAIL schema: migration m0002_enqueue is not the file that was applied to this database: it was altered afterwards.",
            remedy: "Nothing was changed. Restore the file as it was released and put the change into a new migration.",
            repair: "UPDATE embark.schema_migrations SET sha256 = substr(sha256, 5) WHERE version = 2"
        ),
        Trouble(
            testDescription: "a migration is outstanding",
            provoke: "DROP SCHEMA embark CASCADE",
            finding: "FAIL schema: migrations are outstanding: \(SQL.migrations.map(\.name).joined(separator: ", "))",
            remedy: "Run: embark migrate"
        ),
    ]

    @Test(arguments: troubles)
    func `A trouble is found, and is gone after its remedy`(trouble: Trouble) async throws {
        try await withSetUp { database, connection in
            let name: String = try await connection.value("SELECT current_database()::text")
            let here = { (text: String) in text.replacing("DATABASE DATABASE", with: "DATABASE \(name)") }
            try await connection.script(here(trouble.provoke))
            let found = await findings(connection)
            #expect(found == [trouble.finding + " → " + here(trouble.remedy)])
            let level = trouble.finding.prefix { $0 != " " }
            let command = try await Command.run(["doctor"], database: database)
            #expect(command.code == (level == "FAIL" ? 1 : 0))
            #expect(command.out.contains("→ " + here(trouble.remedy) + "\n"))
            #expect(!command.out.contains("\u{FFFD}"))

            if let repair = trouble.repair {
                try await connection.script(repair)
            } else if trouble.remedy.hasPrefix("Run: embark ") {
                let words = trouble.remedy.dropFirst("Run: embark ".count).split(separator: " ").map(String.init)
                #expect(try await Command.run(words, database: database).code == 0)
            } else {
                try await connection.script(here(trouble.remedy))
            }
            let left = await findings(connection)
            // Migrating anew leaves a database that is not configured.
            #expect(left.filter { !trouble.provoke.hasPrefix("DROP SCHEMA") || !$0.contains("not configured") } == [])
            if !trouble.cleanUp.isEmpty {
                let role = trouble.cleanUp.components(separatedBy: "; ").map { $0.dropFirst("DROP ROLE ".count) }
                try await connection.script("DROP OWNED BY \(role.joined(separator: ", "))")
                try await connection.script(trouble.cleanUp)
            }
        }
    }

    /// Those that group rights; the migrator has its own by being a member of the owner.
    static let groups = ["embark_operator", "embark_reader", "embark_token_reader", "embark_upstream", "embark_worker"]

    @Test(arguments: groups)
    func `A role that is gone is made again by migrating, and doctor's statements give it all of its rights`(
        role: String
    ) async throws {
        try await withSetUp { database, connection in
            let before = try await schema(of: database)
            try await connection.script("DROP OWNED BY \(role); DROP ROLE \(role)")
            #expect(await findings(connection).first == "FAIL roles: missing: \(role) → Run: embark migrate")
            #expect(try await Command.run(["migrate"], database: database).code == 0)
            let lost = try await Command.run(["doctor", "-o", "jsonl"], database: database)
            #expect(lost.code == 1)
            let troubles = try lost.objectLines().filter { $0["level"] as? String != "OK" }
            #expect(troubles.allSatisfy { $0["check"] as? String == "rights" })
            #expect(!troubles.isEmpty)
            for trouble in troubles { try await connection.script(try #require(trouble["remedy"] as? String)) }
            #expect(await findings(connection) == [])
            let after = sorted(try await schema(of: database))
            #expect(after.filter { !sorted(before).contains($0) } == [])
            #expect(sorted(before).filter { !after.contains($0) } == [])
        }
    }

    /// Rights stand in the order in which they were granted.
    private func sorted(_ schema: String) -> [String] {
        schema.split(separator: "\n").map(String.init).sorted()
    }

    @Test func `A clock that differs is found, in both directions, and a small difference is not`() async throws {
        try await withSetUp { _, connection in
            for (seconds, found) in [(-60, true), (60, true), (0, false)] as [(Int64, Bool)] {
                let skewed = await Doctor(connection: connection).examine {
                    let now = Int64((Date().timeIntervalSince1970 - 946_684_800) * 1_000_000)
                    return Timestamp(microsecondsSince2000: now + seconds * 1_000_000)
                }
                let clock = try #require(skewed.first { $0.subject == "clock" })
                #expect((clock.level == .warn) == found)
                if found {
                    let words = /this machine's clock and the database's differ by (59|60) s/
                    #expect(clock.message.wholeMatch(of: words) != nil, "\(clock.message)")
                }
            }
        }
    }

    static let users: [(String, [String])] = [
        ("embark_reader", []), ("embark_operator", []), ("embark_migrator", []),
        ("embark_worker", []),
        (
            "embark_upstream",
            [
                "schema: list_migrations", "pauses: list_throttles", "tokens: inspect_tokens", "keys: list_key_holders",
                "installation: read_installation",
            ]
        ),
        (
            "embark_token_reader",
            [
                "schema: list_migrations", "pauses: list_throttles", "tokens: inspect_tokens", "keys: list_key_holders",
                "installation: read_installation",
            ]
        ),
        (
            "",
            [
                "schema: list_migrations", "rights: inspect_rights", "secrets: inspect_secrets",
                "pauses: list_throttles", "tokens: inspect_tokens", "keys: list_key_holders",
                "installation: read_installation",
            ]
        ),
    ]

    @Test(arguments: users)
    func `A user with few rights is told what it may not see, and nothing fails for that`(
        group: String,
        hidden: [String]
    ) async throws {
        try await withSetUp { database, connection in
            try await connection.script("CREATE ROLE looker LOGIN" + (group.isEmpty ? "" : " IN ROLE \(group)"))
            let login = try url(database, user: "looker")
            let found = try await withConnection(to: login) { await findings($0) }
            let withoutPlace = found.map { $0.replacing(/, at character \d+/, with: "") }
            #expect(
                withoutPlace
                    == hidden.map { check in
                        let (subject, query) = (check.split(separator: ":")[0], check.split(separator: " ")[1])
                        return
                            "WARN \(subject): this database user may not look: \(query): 42501 insufficient_privilege"
                            + " → Run doctor as a member of embark_operator or embark_migrator."
                    }
            )
            #expect(try await Command.run(["doctor"], database: login).code == 0)
            try await connection.script("DROP ROLE looker")
        }
    }

    /// All that is not OK, as "LEVEL subject: message → remedy".
    private func findings(_ connection: Connection) async -> [String] {
        let found = await Doctor(connection: connection).examine {
            Timestamp(microsecondsSince2000: Int64((Date().timeIntervalSince1970 - 946_684_800) * 1_000_000))
        }
        return found.filter { $0.level != .ok }.map { finding in
            "\(finding.level.rawValue) \(finding.subject): \(finding.message)"
                + (finding.remedy.map { " → " + $0 } ?? "")
        }
    }

    /// A migrated and configured database on a server that logs no parameters.
    private func withSetUp(_ body: (String, Connection) async throws -> Void) async throws {
        let database = try await OwnServer.makeDatabase()
        try await withConnection(to: database) { connection in
            try await Migrator().migrate(on: connection)
            let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
            try await InstallationStore.write(installation, on: connection)
            try await body(database, connection)
        }
        // Or its rights would keep the roles of the cluster from being dropped.
        let name = database.split(separator: "/").last ?? ""
        try await OwnServer.administer("DROP DATABASE \(name)")
    }
}
