/// The migrator itself: what it applies, what it refuses, and what a failure leaves behind.
import OnboardingRuntime
import Postgres
import SQL
import Support
import Testing

@Suite(.database(.empty), .timeLimit(.minutes(10))) struct MigratorTests {
    private typealias Migration = Migrator.Migration

    private static let ours = SQL.migrations.enumerated().map { index, file in
        Migration(version: Int32(index + 1), name: file.name, sql: file.text)
    }

    @Test func `A fresh database gets every migration in order, and hears of each`() async throws {
        try await withConnection { connection in
            #expect(try await Migrator().status(on: connection).version == 0)
            var heard: [String] = []
            let done = try await Migrator().migrate(on: connection) { heard.append($0.name) }
            #expect(done.applied.map(\.name) == SQL.migrations.map(\.name))
            #expect(done.version == Int32(SQL.migrations.count))
            #expect(heard == SQL.migrations.map(\.name))
            let status = try await Migrator().status(on: connection)
            #expect(status.outstanding == [])
            #expect(status.version == Int32(SQL.migrations.count))
            #expect(!status.isNewerThanProgram)
        }
    }

    @Test func `A second run finds nothing to do and changes nothing`() async throws {
        try await withConnection { connection in
            try await Migrator().migrate(on: connection)
            let before = try await applied(connection)
            let schemaBefore = try await schema(of: TestDatabase.current.url)
            let second = try await Migrator().migrate(on: connection)
            #expect(second.applied == [])
            #expect(second.version == Int32(SQL.migrations.count))
            #expect(try await applied(connection) == before)
            #expect(try await schema(of: TestDatabase.current.url) == schemaBefore)
        }
    }

    @Test func `Everything that is made belongs to embark_owner, whoever migrates`() async throws {
        try await withConnection { connection in
            try await Migrator().migrate(on: connection)
            let strangers = """
                SELECT k.kind || ' ' || k.name || ' of ' || pg_get_userbyid(k.owner)
                  FROM (SELECT 'schema', nspname::text, nspowner FROM pg_namespace WHERE nspname = 'embark'
                        UNION ALL SELECT 'relation', relname, relowner FROM pg_class WHERE relnamespace = 'embark'::regnamespace
                        UNION ALL SELECT 'function', proname, proowner FROM pg_proc WHERE pronamespace = 'embark'::regnamespace
                        UNION ALL SELECT 'type', typname, typowner FROM pg_type WHERE typnamespace = 'embark'::regnamespace
                       ) AS k (kind, name, owner)
                 WHERE pg_get_userbyid(k.owner) <> 'embark_owner'
                """
            #expect(try await connection.values(strangers, as: String.self) == [])
            let elsewhere = """
                SELECT c.oid::regclass::text FROM pg_class AS c
                 WHERE pg_get_userbyid(c.relowner) = 'embark_owner' AND c.relnamespace <> 'embark'::regnamespace
                   AND c.relnamespace <> 'pg_toast'::regnamespace
                """
            #expect(try await connection.values(elsewhere, as: String.self) == [])
        }
    }

    @Test func `A function that no migration revokes is not PUBLIC's either`() async throws {
        let forgetful = Migration(
            version: 1,
            name: "m0001_forgetful",
            sql: "CREATE FUNCTION embark.forgotten() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
        )
        try await withConnection { connection in
            try await Migrator(migrations: [forgetful]).migrate(on: connection)
            let rights = "SELECT has_function_privilege('public', 'embark.forgotten()', 'EXECUTE')"
            #expect(try await connection.value(rights) == false)
        }
    }

    @Test(arguments: ["status", "migrate", "script"])
    func `An altered file is a hard stop that names it and changes nothing`(way: String) async throws {
        try await withConnection { connection in
            try await Migrator().migrate(on: connection)
            let before = try await schema(of: TestDatabase.current.url)
            var altered = Self.ours
            altered[1] = Migration(version: 2, name: altered[1].name, sql: altered[1].sql + "\n")
            altered.append(Migration(version: 99, name: "m0099_more", sql: "CREATE TABLE embark.more ()"))
            let error = await failure(way, of: Migrator(migrations: altered), on: connection)
            #expect(
                error?.description == """
                    migration m0002_enqueue is not the file that was applied to this database: it was altered afterwards.
                    Nothing was changed. Restore the file as it was released and put the change into a new migration.
                    """
            )
            #expect(try await schema(of: TestDatabase.current.url) == before)
        }
    }

    @Test(arguments: ["status", "migrate", "script"])
    func `A renamed file is a hard stop that names both`(way: String) async throws {
        try await withConnection { connection in
            try await Migrator().migrate(on: connection)
            var renamed = Self.ours
            renamed[2] = Migration(version: 3, name: "m0003_other", sql: renamed[2].sql)
            let error = await failure(way, of: Migrator(migrations: renamed), on: connection)
            #expect(
                error?.description == """
                    migration m0003_other stands where this database has m0003_inbox: it was renamed or replaced afterwards.
                    Nothing was changed. Use the program that the database was migrated with, or a later release of it.
                    """
            )
            #expect(try await applied(connection).map(\.self) == Self.ours.map(\.name))
        }
    }

    @Test func `A failing migration is rolled back whole and named, and those before it stay`() async throws {
        let migrations = [
            Migration(version: 1, name: "m0001_good", sql: "CREATE TABLE embark.good ()"),
            Migration(version: 2, name: "m0002_bad", sql: "CREATE TABLE embark.half (); SELECT 1 / 0"),
            Migration(version: 3, name: "m0003_never", sql: "CREATE TABLE embark.never ()"),
        ]
        try await withConnection { connection in
            var heard: [String] = []
            let error = await #expect(throws: MigrationError.self) {
                try await Migrator(migrations: migrations).migrate(on: connection) { heard.append($0.name) }
            }
            #expect(
                error?.description == "applying m0002_bad, which was rolled back: 22012 division_by_zero"
            )
            #expect(heard == ["m0001_good"])
            #expect(try await applied(connection) == ["m0001_good"])
            #expect(try await tables(connection) == ["good", "schema_migrations"])

            // The same session goes on as soon as the file is right.
            var mended = migrations
            mended[1] = Migration(version: 2, name: "m0002_bad", sql: "CREATE TABLE embark.whole ()")
            let done = try await Migrator(migrations: mended).migrate(on: connection)
            #expect(done.applied.map(\.name) == ["m0002_bad", "m0003_never"])
            #expect(try await tables(connection) == ["good", "never", "schema_migrations", "whole"])
        }
    }

    @Test func `A migration that would wait long for a lock fails instead of making everybody wait`() async throws {
        let migration = Migration(
            version: 1,
            name: "m0001_limits",
            sql: "CREATE TABLE embark.limits AS SELECT current_setting('lock_timeout') AS lock_timeout"
        )
        try await withConnection { connection in
            try await Migrator(migrations: [migration]).migrate(on: connection)
            #expect(try await connection.value("SELECT lock_timeout FROM embark.limits") == "10s")
            #expect(try await connection.value("SELECT current_setting('lock_timeout')") == "0")
            #expect(try await connection.value("SELECT current_user::text = session_user::text") == true)
        }
    }

    @Test func `An older program works with a newer schema`() async throws {
        try await withConnection { connection in
            try await Migrator().migrate(on: connection)
            let older = Migrator(migrations: Array(Self.ours.dropLast()))
            let status = try await older.status(on: connection)
            #expect(status.isNewerThanProgram)
            #expect(status.outstanding == [])
            #expect(status.version == Int32(Self.ours.count))
            let done = try await older.migrate(on: connection)
            #expect(done.applied == [])
            #expect(done.version == Int32(Self.ours.count))
            #expect(try await older.script(on: connection) == "")
        }
    }

    @Test func `A text that holds the plan's own quotes is recorded as it is`() async throws {
        let tricky = Migration(
            version: 1,
            name: "m0001_tricky",
            sql: "CREATE TABLE embark.tricky AS SELECT $migration$it's \\ $m$ :x$migration$ AS text\n"
        )
        let migrator = Migrator(migrations: [tricky])
        try await withConnection { connection in
            let script = try await migrator.script(on: connection)
            let psql = try await Command.program("psql", ["-Xq", "-d", TestDatabase.current.url], input: script)
            #expect(psql.code == 0 && psql.err == "", "\(psql.err)")
            #expect(try await connection.value("SELECT text FROM embark.tricky") == "it's \\ $m$ :x")
            #expect(try await migrator.status(on: connection).outstanding == [])
        }
    }

    private func applied(_ connection: Connection) async throws -> [String] {
        try await connection.values("SELECT name FROM embark.schema_migrations ORDER BY version")
    }

    private func tables(_ connection: Connection) async throws -> [String] {
        try await connection.values("SELECT tablename::text FROM pg_tables WHERE schemaname = 'embark' ORDER BY 1")
    }

    private func failure(_ way: String, of migrator: Migrator, on connection: Connection) async -> MigrationError? {
        await #expect(throws: MigrationError.self) {
            switch way {
            case "status": _ = try await migrator.status(on: connection)
            case "migrate": try await migrator.migrate(on: connection)
            default: _ = try await migrator.script(on: connection)
            }
        }
    }
}
