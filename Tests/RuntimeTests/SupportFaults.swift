/// What the tests of database, host and process faults share: servers of their own, many workers at once, and what must be so
/// when all is over.
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres
import Subprocess
import Support
import Synchronization
import Testing

extension PrivateServer {
    /// A server with a migrated and configured database, which is the current one of `body`.
    static func configured(
        settings: [String] = ["fsync=off"],
        volume: SmallVolume? = nil,
        _ body: (PrivateServer) async throws -> Void
    ) async throws {
        try await PrivateServer.with(settings: settings, volume: volume) { server in
            try await configure(server.url)
            try await TestDatabase.using(server.url) { try await body(server) }
        }
    }

    static func configure(_ url: String) async throws {
        try await withConnection(to: url) { connection in
            try await Migrator().migrate(on: connection)
            let installation = Installation(appID: "1234567890", creditLineID: "1111111111", systemUserID: "2222222222")
            try await InstallationStore.write(installation, on: connection)
        }
    }
}

extension RunningWorker {
    /// Runs so many workers for as long as `body` does, and ends those that still run with SIGTERM.
    static func several(
        _ number: Int,
        graph url: String,
        database: String,
        environment: [String: String] = [:],
        _ body: @escaping @Sendable ([RunningWorker]) async throws -> Void
    ) async throws -> [CommandResult] {
        try await with(number, [], graph: url, database: database, environment: environment, body)
    }

    private static func with(
        _ missing: Int,
        _ running: [RunningWorker],
        graph url: String,
        database: String,
        environment: [String: String],
        _ body: @escaping @Sendable ([RunningWorker]) async throws -> Void
    ) async throws -> [CommandResult] {
        guard missing > 0 else {
            try await body(running)
            return []
        }
        let others = Mutex<[CommandResult]>([])
        let own = try await with(graph: url, database: database, environment: environment) { worker in
            let results = try await with(
                missing - 1,
                running + [worker],
                graph: url,
                database: database,
                environment: environment,
                body
            )
            others.withLock { $0 = results }
        }
        return others.withLock(\.self) + [own]
    }
}

extension Hurry {
    /// As `untilIdle`, and what nobody works at any more does not wait for its lease's end: the jobs that have kept the same
    /// lease for so long, and shares that are to be looked for again. No call may last that long.
    static func untilIdle(leasesOlderThan age: Duration, within limit: Duration) async throws {
        try await script(
            "CREATE TABLE IF NOT EXISTS seen_leases (signup_id bigint, lease_id bigint, since timestamptz)"
        )
        try await withThrowingTaskGroup { group in
            group.addTask { try await untilIdle(within: limit) }
            group.addTask {
                try await withConnection { connection in
                    while !Task.isCancelled {
                        for statement in [
                            """
                            DELETE FROM seen_leases AS s WHERE NOT EXISTS (
                                SELECT FROM embark.jobs AS j WHERE j.signup_id = s.signup_id AND j.lease_id = s.lease_id)
                            """,
                            """
                            INSERT INTO seen_leases SELECT j.signup_id, j.lease_id, clock_timestamp() FROM embark.jobs AS j
                             WHERE j.lease_id IS NOT NULL AND NOT EXISTS (
                                SELECT FROM seen_leases AS s WHERE s.signup_id = j.signup_id AND s.lease_id = j.lease_id)
                            """,
                            """
                            UPDATE embark.jobs SET due_at = clock_timestamp() WHERE signup_id IN (
                                SELECT j.signup_id FROM embark.jobs AS j JOIN seen_leases AS s USING (signup_id, lease_id)
                                 WHERE s.since < clock_timestamp() - interval '\(age / .milliseconds(1)) ms'
                                   FOR UPDATE OF j SKIP LOCKED)
                            """,
                            "SELECT pg_sleep(0.2)",
                        ] { try await connection.script(statement) }
                    }
                }
            }
            try await group.next()
            group.cancelAll()
        }
    }
}

/// What must be so when signups have come to their end, whatever befell the workers, the database and the way to it. The
/// running test's database and the simulator's ledger, which records each effect before it answers, are asked.
enum Unharmed {
    /// Effects that must not happen twice, by the thing that each befalls.
    private static let once = [
        ("exchange_code", "code"), ("share_credit_line", "waba_id"), ("register_phone", "phone_number_id"),
        ("send_test_message", "phone_number_id"),
    ]

    /// - Parameter ends: how a signup may have ended, "completed" or "failed" with its code.
    static func check(
        _ platform: SimulatedPlatform,
        signups: Int,
        ends: Set<String> = ["completed"],
        location: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(try await count("embark.signups") == Int64(signups), "a signup is lost", sourceLocation: location)
        #expect(try await count("embark.jobs") == 0, "a job is left", sourceLocation: location)
        let ended = try await texts("SELECT DISTINCT concat_ws(' ', state, error_code) FROM embark.signups")
        #expect(ends.isSuperset(of: ended), "\(ended)", sourceLocation: location)
        #expect(try await count("embark.outcomes") == Int64(signups), "each ends once", sourceLocation: location)
        #expect(try await count("embark.outcomes WHERE seq IS NULL") == 0, sourceLocation: location)
        #expect(
            try await count("embark.secrets WHERE code IS NOT NULL") == 0,
            "a code is left",
            sourceLocation: location
        )
        let twice = try await texts(
            """
            SELECT concat_ws(' ', signup_id, step, count(*)) FROM embark.attempts WHERE verdict = 'done'
             GROUP BY signup_id, generation, step HAVING count(*) > 1
             UNION ALL
            SELECT concat_ws(' ', signup_id, step, lease_id) FROM embark.attempts WHERE verdict <> 'stale'
             GROUP BY signup_id, step, lease_id HAVING count(*) > 1
            """
        )
        #expect(twice.isEmpty, "a step was settled twice: \(twice)", sourceLocation: location)
        for (effect, key) in once {
            let counts = try platform.effects(effect, by: key)
            #expect(
                counts.values.allSatisfy { $0 == 1 },
                "\(effect) happened twice: \(counts)",
                sourceLocation: location
            )
        }
    }
}
