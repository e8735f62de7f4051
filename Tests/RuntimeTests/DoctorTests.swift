/// `embark doctor`: each thing that can be wrong is brought about once, found, and gone after its remedy.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import SQL
import Support
import Testing

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct DoctorTests {
    @Test func `Of a good set-up it says what is good, and ends with 0`() async throws {
        try await withSetUp { database, connection in
            let (result, graph) = try await SimulatedPlatform.with { platform in
                let environment = WorkerProcess.environment(graph: platform.url, ["EMBARK_GRAPH_VERSION": "v26.0"])
                return (try await Command.run(["doctor"], database: database, environment: environment), platform.url)
            }
            let version: String = try await connection.value("SELECT current_setting('server_version')")
            let name: String = try await connection.value("SELECT current_database()::text")
            let objects = SQL.catalogue.text.split(separator: "\n").count
            #expect(
                result.out
                    == """
                        CHECK           FOUND
                    OK  database        PostgreSQL \(version), database \(name), as postgres
                    OK  connection      does not leave this machine
                    OK  clock           within a second of the database's
                    OK  schema          version \(SQL.migrations.count), up to date
                    OK  roles           all 7 are there and can only be granted
                    OK  open snapshots  none keeps dead rows from being removed
                    OK  catalogue       all \(objects) objects are as the migrations made them
                    OK  rights          each role has what it is for
                    OK  functions       pinned and revoked from PUBLIC
                    OK  secrets         only workers and the owner can read them
                    OK  server log      no login role's settings write bound parameters into it
                    OK  vacuum          embark.jobs has few dead rows
                    OK  pauses          nothing rests
                    OK  tokens          none ends within 14 days
                    OK  workers         1 of version 0.1.0
                    OK  queue           no job has been due for long
                    OK  sealed texts    their keys are in EMBARK_SEALING_KEYS
                    OK  worker keys     each worker opens what any of them seals
                    OK  installation    solution-partner, app 1234567890
                    OK  keys            1 in EMBARK_SEALING_KEYS, test seals
                    OK  graph version   v26.0, of which this program knows no end
                    OK  graph           \(graph) answers
                    OK  credentials     the system user's token has no end

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
            let found = try #require(findings.first { $0["check"] as? String == "installation" })
            #expect(found["level"] as? String == "FAIL")
            #expect(found["message"] as? String == "not configured: no signup can be enqueued")
            #expect(
                found["remedy"] as? String
                    == "Run: embark configure --app-id … --credit-line-id … --system-user-id …"
            )
            #expect(result.code == 1)
        }
    }

    @Test(arguments: DoctorTrouble.all)
    func `A trouble is found, and is gone after its remedy`(trouble: DoctorTrouble) async throws {
        try await withSetUp { database, connection in
            let name: String = try await connection.value("SELECT current_database()::text")
            let here = { (text: String) in text.replacing("DATABASE DATABASE", with: "DATABASE \(name)") }
            try await connection.script(here(trouble.provoke))
            let found = try await DoctorFindings.of(database)
            #expect(found == [trouble.finding + " → " + here(trouble.remedy)])
            let level = trouble.finding.prefix { $0 != " " }
            let command = try await DoctorFindings.command(["doctor"], database)
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
            let left = try await DoctorFindings.of(database)
            // Migrating anew leaves a database that is not configured and knows of no worker.
            let isEmpty = trouble.provoke.hasPrefix("DROP SCHEMA")
            #expect(left.filter { !isEmpty || !($0.contains("not configured") || $0.hasPrefix("WARN workers")) } == [])
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
            #expect(try await DoctorFindings.of(database).first == "FAIL roles: missing: \(role) → Run: embark migrate")
            #expect(try await Command.run(["migrate"], database: database).code == 0)
            let lost = try await DoctorFindings.command(["doctor", "-o", "jsonl"], database)
            #expect(lost.code == 1)
            let troubles = try lost.objectLines().filter { $0["level"] as? String != "OK" }
            #expect(troubles.allSatisfy { $0["check"] as? String == "rights" })
            #expect(!troubles.isEmpty)
            for trouble in troubles { try await connection.script(try #require(trouble["remedy"] as? String)) }
            #expect(try await DoctorFindings.of(database) == [])
            let after = sorted(try await schema(of: database))
            #expect(after.filter { !sorted(before).contains($0) } == [])
            #expect(sorted(before).filter { !after.contains($0) } == [])
        }
    }

    /// Rights stand in the order in which they were granted.
    private func sorted(_ schema: String) -> [String] {
        schema.split(separator: "\n").map(String.init).sorted()
    }

    static let users: [(String, [String])] = [
        ("embark_reader", []), ("embark_operator", []), ("embark_migrator", []),
        ("embark_worker", []),
        (
            "embark_upstream",
            [
                "schema: list_migrations", "pauses: list_throttles", "tokens: inspect_tokens",
                "queue: inspect_workers", "worker keys: list_key_holders", "installation: read_installation",
            ]
        ),
        (
            "embark_token_reader",
            [
                "schema: list_migrations", "pauses: list_throttles", "tokens: inspect_tokens",
                "queue: inspect_workers", "worker keys: list_key_holders", "installation: read_installation",
            ]
        ),
        (
            "",
            [
                "schema: list_migrations", "rights: inspect_rights", "secrets: inspect_secrets",
                "vacuum: inspect_vacuum", "pauses: list_throttles", "tokens: inspect_tokens", "queue: inspect_workers",
                "worker keys: list_key_holders", "installation: read_installation",
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
            let found = try await DoctorFindings.of(login)
            let withoutPlace = found.map { $0.replacing(/, at character \d+/, with: "") }
            var expected = hidden.map { check in
                let (subject, query) = (check.split(separator: ": ")[0], check.split(separator: ": ")[1])
                return "WARN \(subject): this database user may not look: \(query): 42501 insufficient_privilege"
                    + " → Run doctor as a member of embark_operator or embark_migrator."
            }
            // Behind the schema, which some may see and some not.
            let sight =
                "WARN open snapshots: this user cannot see other users' sessions, and any of them may hold one"
                + " → GRANT pg_read_all_stats TO looker;"
            expected.insert(sight, at: hidden.first?.hasPrefix("schema") == true ? 1 : 0)
            #expect(withoutPlace == expected)
            #expect(try await DoctorFindings.command(["doctor"], login).code == 0)
            try await connection.script("DROP ROLE looker")
        }
    }

    private func withSetUp(_ body: (String, Connection) async throws -> Void) async throws {
        try await DoctorFindings.withSetUp(body)
    }
}
