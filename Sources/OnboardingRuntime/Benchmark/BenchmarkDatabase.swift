/// The database that a benchmark fills and empties: its own, never one with signups.
import Foundation
import Onboarding
public import Postgres

public struct BenchmarkDatabase: Sendable {
    let connection: Connection
    let url: String

    /// Makes the schema.
    ///
    /// - Throws: `BenchmarkRefusal` for a database that holds Embark's schema already.
    public static func prepare(on connection: Connection, url: String) async throws -> BenchmarkDatabase {
        let database = BenchmarkDatabase(connection: connection, url: url)
        guard try await database.texts("SELECT to_regnamespace('embark')::text").isEmpty else {
            throw BenchmarkRefusal()
        }
        try await Migrator().migrate(on: connection)
        return database
    }

    public func remove() async throws {
        try await connection.script("DROP SCHEMA embark CASCADE", deadline: .seconds(120))
    }

    func configure(_ installation: Installation) async throws {
        try await InstallationStore.write(installation, on: connection)
    }

    /// Empties all tables, and makes so many signups of this plan, each due at its first step.
    func fill(_ count: Int, plan: [Step], lane: Int = 5) async throws {
        let steps = plan.map(\.rawValue).joined(separator: ",")
        try await connection.script(
            """
            ALTER TABLE embark.attempts DISABLE TRIGGER ALL; ALTER TABLE embark.outcomes DISABLE TRIGGER ALL;
            TRUNCATE embark.jobs, embark.signups, embark.secrets, embark.attempts, embark.outcomes, embark.workers
                RESTART IDENTITY;
            ALTER TABLE embark.attempts ENABLE TRIGGER ALL; ALTER TABLE embark.outcomes ENABLE TRIGGER ALL;
            INSERT INTO embark.signups (flow, plan, code_issued_at, waba_id, phone_number_id, business_id, currency,
                                        external_id)
            SELECT 'cloud_api', '{\(steps)}', now(), (102290129340000 + g)::text, (106290129340000 + g)::text,
                   (2790129340000 + g)::text, 'USD', 'benchmark-' || g
              FROM generate_series(1, \(count)) AS g;
            INSERT INTO embark.secrets (signup_id, code, pin) SELECT s.id, repeat('k', 120), '123456' FROM embark.signups AS s;
            INSERT INTO embark.jobs (signup_id, step, lane, due_at)
            SELECT s.id, '\(plan[0].rawValue)', \(lane), now() + s.id * interval '1 us' FROM embark.signups AS s
            """,
            deadline: .seconds(600)
        )
        try await connection.script(
            "VACUUM ANALYZE embark.jobs, embark.signups, embark.secrets, embark.attempts, embark.outcomes",
            deadline: .seconds(600)
        )
        try await connection.script("CHECKPOINT", deadline: .seconds(600))
    }

    /// The first column of a query, without NULLs.
    func texts(_ sql: String) async throws(PostgresError) -> [String] {
        let statement = Statement<Single<String?>>("benchmark_\(UInt(bitPattern: sql.hashValue))", sql)
        return try await connection.run(statement(), deadline: .seconds(600)).compactMap(\.value)
    }

    func number(_ sql: String) async throws(PostgresError) -> Double {
        try await texts(sql).first.flatMap(Double.init) ?? 0
    }

    /// The way to it for psql and pgbench, with these settings of each session.
    func environment(withSettings settings: [String: String] = [:]) throws(PostgresError) -> [String: String] {
        var options = try ConnectionOptions(url, applicationName: "embark benchmark")
        options.sessionSettings = settings
        return options.environment
    }

    /// CPU that the whole server has used so far; nil when it is not on this machine, or /proc is not there.
    var serverCPUSeconds: Double? { ProcessUsage.serverCPUSeconds(backend: connection.backendProcessID) }

    /// What the server spends while the body runs, on each of the units that it says it did.
    func cost(of body: () async throws -> Double) async throws -> BenchmarkReport.Cost {
        let cpu = serverCPUSeconds
        let wal = try await walBytes()
        let units = max(try await body(), 1)
        return BenchmarkReport.Cost(
            serverMicroseconds: cpu.flatMap { cpu in serverCPUSeconds.map { ($0 - cpu) * 1e6 / units } },
            walBytes: (try await walBytes() - wal) / units
        )
    }

    /// Bytes of write-ahead log so far.
    private func walBytes() async throws(PostgresError) -> Double {
        try await number("SELECT (pg_current_wal_lsn() - '0/0')::text")
    }
}

/// The database holds signups, or could.
public struct BenchmarkRefusal: Error, CustomStringConvertible {
    public let description =
        "this database has a schema embark: a benchmark makes and drops its own, so give it an empty database."
        + " scripts/bench starts a private one. What an interrupted benchmark left is its own: DROP SCHEMA embark CASCADE"
}
