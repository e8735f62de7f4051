/// Migrating while it is killed, and in many places at once: the schema at the end is always that of one quiet run.
import Foundation
import OnboardingRuntime
import Postgres
import SQL
import Subprocess
import Support
import Testing

@Suite(.database(.empty), .timeLimit(.minutes(10))) struct MigratorCrashTests {
    @Test func `Eight processes at once on one fresh database all succeed and make one schema`() async throws {
        let url = TestDatabase.current.url
        // They wait for the migrations' lock until all of them are there, and then start at the same moment.
        let results = try await withConnection(to: url) { gate in
            try await gate.script("BEGIN; SELECT pg_advisory_xact_lock(hashtext('embark'), 2)")
            async let results = migrate(Array(repeating: url, count: 8))
            try await eventually("eight processes wait for the lock", within: .seconds(30)) {
                try await withConnection(to: url) { connection in
                    let waiting = """
                        SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                         WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
                        """
                    return try await connection.value(waiting, as: Int64.self) == 8
                }
            }
            try await gate.script("COMMIT")
            return try await results
        }
        for result in results {
            #expect(result.code == 0, "\(result.err)")
        }
        // Each migration was applied by one of them.
        let applied = results.flatMap { $0.err.split(separator: "\n").map(String.init) }
        #expect(applied.sorted() == SQL.migrations.map { "applied \($0.name)" }.sorted())
        #expect(try await schema(of: url) == cleanSchema())
    }

    @Test func `A session that dies before any one statement leaves whole migrations, and the next run goes on`()
        async throws
    {
        let url = TestDatabase.current.url
        try await withConnection(to: url) { connection in
            try await connection.script(Self.killer)
            var point = 1
            var version: Int32 = -1
            var deaths = 0
            var objectsAtVersion: [Int32: Int64] = [:]
            while try await dies(at: point, url, connection) {
                deaths += 1
                let reached = try await self.version(connection)
                let count: Int64 = try await connection.value(Self.objects)
                let known = objectsAtVersion[reached] ?? count
                #expect(known == count, "half a migration behind version \(reached), killed at its command \(point)")
                objectsAtVersion[reached] = known
                if reached == 0, version < 0 { try await connection.script(Self.killerOfHistory) }
                // The commands of the next migration are counted from its first one.
                point = reached > version ? 1 : point + 1
                version = reached
                try #require(deaths < 2_000, "the migrator never gets through")
            }
            #expect(deaths > 50, "there are many commands to die at")
            try await connection.script(Self.end)
            #expect(try await schema(of: url) == cleanSchema())
        }
    }

    @Test func `A process that is killed at any moment leaves nothing that the next one cannot finish`() async throws {
        let url = TestDatabase.current.url
        var random = SplitMix(seed: 20_260_501)
        var killed = 0
        for round in 1...20 {
            // Long enough to reach any point of a whole run, which is what is to be interrupted.
            if try await killMigration(after: .milliseconds(Int.random(in: 2...60, using: &random)), url) {
                killed += 1
            }
            // Now and then from the beginning.
            if round.isMultiple(of: 5) { try await startAgain(url) }
        }
        #expect(killed > 0)
        let last = try await Command.run(["migrate"], database: url)
        #expect(last.code == 0, "\(last.err)")
        #expect(try await schema(of: url) == cleanSchema())
    }

    /// Ends the session that runs it before the command whose number stands in public.victim: DDL commands, and the
    /// insert into the history. A sequence counts, for it keeps its value when the transaction is rolled back.
    private static let killer = """
        CREATE SEQUENCE public.commands;
        CREATE TABLE public.victim (command bigint NOT NULL, pid integer NOT NULL);
        CREATE FUNCTION public.die() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF EXISTS (SELECT FROM public.victim WHERE pid = pg_backend_pid()) THEN
                IF nextval('public.commands') = (SELECT command FROM public.victim) THEN
                    PERFORM pg_terminate_backend(pg_backend_pid());
                END IF;
            END IF;
        END $$;
        CREATE FUNCTION public.die_at_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM public.die();
        END $$;
        CREATE FUNCTION public.die_at_insert() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM public.die();
            RETURN NULL;
        END $$;
        CREATE EVENT TRIGGER killer ON ddl_command_start EXECUTE FUNCTION public.die_at_command();
        """

    private static let killerOfHistory = """
        CREATE TRIGGER killer BEFORE INSERT ON embark.schema_migrations
            FOR EACH STATEMENT EXECUTE FUNCTION public.die_at_insert()
        """

    private static let end = """
        DROP EVENT TRIGGER killer; DROP TRIGGER killer ON embark.schema_migrations;
        DROP FUNCTION public.die_at_command, public.die_at_insert, public.die; DROP TABLE public.victim;
        DROP SEQUENCE public.commands
        """

    /// What is in the schema, so that half a migration shows.
    private static let objects = """
        SELECT (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid)
             + (SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace = n.oid)
             + (SELECT count(*) FROM pg_type AS t WHERE t.typnamespace = n.oid)
             + (SELECT count(*) FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
                 WHERE c.relnamespace = n.oid AND g.tgname <> 'killer')
          FROM (SELECT coalesce(to_regnamespace('embark')::oid, 0) AS oid) AS n
        """

    /// Migrates in a session that is killed at a command; false when it got through.
    private func dies(at command: Int, _ url: String, _ connection: Connection) async throws -> Bool {
        try await withConnection(to: url) { victim in
            try await connection.script(
                """
                TRUNCATE public.victim;
                INSERT INTO public.victim VALUES (\(command), \(victim.backendProcessID));
                ALTER SEQUENCE public.commands RESTART
                """
            )
            do {
                try await Migrator().migrate(on: victim)
                return false
            } catch MigrationError.database(let error, _) {
                try #require(error.isConnectionLoss, "\(error)")
                return true
            }
        }
    }

    /// -1 before the schema is there.
    private func version(_ connection: Connection) async throws -> Int32 {
        guard try await connection.value("SELECT to_regclass('embark.schema_migrations') IS NOT NULL") else {
            return -1
        }
        return try await connection.value("SELECT coalesce(max(version), 0) FROM embark.schema_migrations")
    }

    private func startAgain(_ url: String) async throws {
        // A killed process's session may still be at work; the lock is free when it has ended.
        try await withConnection(to: url) { connection in
            try await connection.script(
                "SELECT pg_advisory_xact_lock(hashtext('embark'), 2); DROP SCHEMA IF EXISTS embark CASCADE"
            )
        }
    }

    /// Whether the process was still running when its time came.
    private func killMigration(after delay: Duration, _ url: String) async throws -> Bool {
        let result = try await Subprocess.run(
            .name("embark"),
            arguments: ["migrate"],
            environment: Command.environment(database: url),
            input: .none,
            output: .discarded,
            error: .discarded
        ) { process in
            // No signal tells of a random moment: the clock is what is tested here.
            try await ContinuousClock().sleep(for: delay)
            try? process.send(signal: .kill)
        }
        if case .signaled = result.terminationStatus { return true }
        return false
    }
}

/// `embark migrate` on all of these databases at the same time.
func migrate(_ urls: [String]) async throws -> [CommandResult] {
    try await withThrowingTaskGroup(of: CommandResult.self) { group in
        for url in urls { group.addTask { try await Command.run(["migrate"], database: url) } }
        var results: [CommandResult] = []
        for try await result in group { results.append(result) }
        return results
    }
}

/// The same numbers in each run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
