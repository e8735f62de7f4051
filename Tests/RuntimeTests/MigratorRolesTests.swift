/// Migrating in a cluster that has never seen Embark, and by users who may not do everything.
import OnboardingRuntime
import Postgres
import SQL
import Support
import Testing

@Suite(.serialized, .ownServer, .timeLimit(.minutes(10))) struct MigratorRolesTests {
    /// What a cluster may hold already: nothing, or the roles alone, as an administrator makes them.
    static let leftovers = ["", OwnServer.roles.map { "CREATE ROLE \($0) NOLOGIN;" }.joined()]

    @Test(arguments: leftovers)
    func `Eight processes on eight databases of one cluster make its roles together`(leftover: String) async throws {
        try await OwnServer.forgetEmbark()
        try await OwnServer.administer(leftover)
        var urls: [String] = []
        for _ in 1...8 { urls.append(try await OwnServer.makeDatabase()) }
        for result in try await migrate(urls) { #expect(result.code == 0, "\(result.err)") }
        try await expectRoles()
        for url in urls { #expect(try await schema(of: url) == cleanSchema()) }
    }

    @Test(
        arguments: ["CREATE ROLE embark_owner NOLOGIN", "GRANT embark_owner TO embark_migrator"],
        ["COMMIT", "ROLLBACK"]
    )
    func `What another database's run is about to commit is waited for, however it ends`(
        statement: String,
        end: String
    ) async throws {
        try await OwnServer.forgetEmbark()
        if statement.hasPrefix("GRANT") { try await OwnServer.administer(Self.leftovers[1]) }
        let database = try await OwnServer.makeDatabase()
        try await withConnection(to: OwnServer.url) { other in
            try await other.script("BEGIN; \(statement)")
            async let migration = Command.run(["migrate"], database: database)
            try await eventually("the migration waits") {
                let waiting =
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'embark' AND wait_event_type = 'Lock'"
                return try await withConnection(to: OwnServer.url) { try await $0.value(waiting, as: Int64.self) } == 1
            }
            try await other.script(end)
            let result = try await migration
            #expect(result.code == 0, "\(result.err)")
        }
        try await expectRoles()
    }

    @Test(arguments: ["plain", "Mixed \"case\""])
    func `A user without rights is told what a superuser has to run, and that is enough`(user: String) async throws {
        try await OwnServer.forgetEmbark()
        try await expectInstructionsToWork(for: user, roles: OwnServer.roles)
    }

    @Test func `Where another database has brought the roles, the instructions leave them alone`() async throws {
        try await OwnServer.forgetEmbark()
        #expect(try await Command.run(["migrate"], database: try await OwnServer.makeDatabase()).code == 0)
        try await expectInstructionsToWork(for: "second", roles: [])
        try await OwnServer.forgetEmbark()
        try await OwnServer.administer("CREATE ROLE embark_worker NOLOGIN; CREATE ROLE embark_owner NOLOGIN")
        let missing = OwnServer.roles.filter { $0 != "embark_worker" && $0 != "embark_owner" }
        try await expectInstructionsToWork(for: "third", roles: missing)
    }

    @Test(arguments: ["INHERIT", "NOINHERIT"])
    func `A login that is a member of embark_migrator migrates a database where it may create`(
        inheritance: String
    ) async throws {
        try await OwnServer.forgetEmbark()
        #expect(try await Command.run(["migrate"], database: try await OwnServer.makeDatabase()).code == 0)
        let database = try await OwnServer.makeDatabase()
        try await withConnection(to: database) { connection in
            let name: String = try await connection.value("SELECT current_database()::text")
            try await connection.script(
                """
                DROP ROLE IF EXISTS deployer;
                CREATE ROLE deployer LOGIN \(inheritance);
                GRANT embark_migrator TO deployer;
                GRANT CREATE ON DATABASE \(name) TO deployer
                """
            )
            let login = try url(database, user: "deployer")
            let result = try await Command.run(["migrate"], database: login)
            #expect(result.code == 0, "\(result.err)")
            #expect(try await Command.run(["migrate"], database: login).code == 0)
            // Migrating takes on the owner's role by itself; looking is left to those who inherit its rights.
            if inheritance == "INHERIT" {
                #expect(try await Command.run(["migrate", "--check"], database: login).code == 0)
            }
            let strangers = """
                SELECT count(*) FROM pg_class
                 WHERE relnamespace = 'embark'::regnamespace AND pg_get_userbyid(relowner) <> 'embark_owner'
                """
            #expect(try await connection.value(strangers, as: Int64.self) == 0)
            #expect(try await schema(of: database).contains("ALTER SCHEMA embark OWNER TO embark_owner"))
            try await connection.script("DROP OWNED BY deployer; DROP ROLE deployer")
        }
    }

    @Test func `The roles only group rights: none can log in, none is a superuser`() async throws {
        try await OwnServer.forgetEmbark()
        #expect(try await Command.run(["migrate"], database: try await OwnServer.makeDatabase()).code == 0)
        try await expectRoles()
    }

    private func expectRoles() async throws {
        try await withConnection(to: OwnServer.url) { connection in
            let roles = """
                SELECT rolname::text FROM pg_roles
                 WHERE rolname LIKE 'embark\\_%' AND NOT (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)
                """
            let harmless = try await connection.values(roles, as: String.self)
            #expect(Set(harmless) == Set(OwnServer.roles))
            let migratorOwns = "SELECT pg_has_role('embark_migrator', 'embark_owner', 'MEMBER')"
            let owns = try await connection.value(migratorOwns, as: Bool.self)
            #expect(owns)
        }
    }

    private func expectInstructionsToWork(for user: String, roles: [String]) async throws {
        let database = try await OwnServer.makeDatabase()
        let quoted = "\"" + user.replacing("\"", with: "\"\"") + "\""
        let name = try await withConnection(to: database) { connection in
            try await connection.script("CREATE ROLE \(quoted) LOGIN")
            return try await connection.value("SELECT current_database()::text") as String
        }
        let login = try url(database, user: user)
        let refused = try await Command.run(["migrate"], database: login)
        #expect(refused.code == 2)
        #expect(refused.out == "")
        let introduction = """
            embark: this database user may not make Embark's roles or schema. Nothing was changed.
            Have a superuser run this in the same database once, then migrate again:


            """
        let statements =
            roles.map { "CREATE ROLE \($0) NOLOGIN;\n" }.joined() + """
                GRANT embark_owner TO embark_migrator;
                GRANT embark_migrator TO \(quoted);
                GRANT CREATE ON DATABASE "\(name)" TO embark_owner, \(quoted);

                """
        #expect(refused.err == introduction + statements)
        #expect(try await Command.run(["migrate", "--check"], database: login).code == 1)

        // Exactly what was printed, as one transaction.
        let printed = String(refused.err.dropFirst(introduction.count))
        let psql = try await Command.program(
            "psql",
            ["-X1", "-v", "ON_ERROR_STOP=on", "-d", database],
            input: printed
        )
        #expect(psql.code == 0, "\(psql.err)")
        let second = try await Command.run(["migrate"], database: login)
        #expect(second.code == 0, "\(second.err)")
        #expect(try await Command.run(["migrate", "--check"], database: login).code == 0)
        try await OwnServer.administer("DROP DATABASE \"\(name)\"; ")
        try await OwnServer.administer("DROP ROLE \(quoted)")
    }
}
