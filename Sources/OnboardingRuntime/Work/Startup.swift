/// What has to be true before the first claim: the database answers, its schema is this program's, the installation is
/// configured and the secrets that it needs are set.
import Foundation
import Logging
import Onboarding
import Postgres
import ServiceLifecycle

struct Startup {
    let settings: WorkerSettings
    let logger: Logger

    struct Ready {
        let workerID: Int64
        let clock: DatabaseClock
        let installation: Installation
        /// What rests: it is not called by a worker that has just begun.
        let throttles: [ThrottleRow]
        let listener: Listener
    }

    /// How long one look for a database that is away takes, and between two log lines about it.
    private static let lookSeconds = 2.0
    private static let silenceSeconds = 10

    /// Waits for a database that is away; nil when the process was told to end meanwhile.
    func prepare(on pool: Pool) async throws -> Ready? {
        var said: ContinuousClock.Instant?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                return try await check(on: pool)
            } catch let error as PostgresError where error.isOutage || error.kind == .deadlineExceeded {
                if said.map({ .now - $0 >= .seconds(Self.silenceSeconds) }) ?? true {
                    logger.warning("waiting for the database", metadata: ["error": "\(error)"])
                    said = .now
                }
            }
        }
        return nil
    }

    private func check(on pool: Pool) async throws -> Ready {
        // Of several hosts the first may be a machine that is gone, and says nothing.
        let options = pool.options
        let look = options.hosts.count > 1 ? options.connectLimit : .seconds(Self.lookSeconds)
        let status = try await pool.withConnection(deadline: look) { connection in
            do throws(MigrationError) {
                return try await Migrator().status(on: connection)
            } catch {
                if case .database(let cause, _) = error { throw cause }
                throw error
            }
        }
        guard status.outstanding.isEmpty else {
            throw WorkerCannotStart.outstanding(status.outstanding.map(\.name))
        }
        if status.isNewerThanProgram {
            logger.notice(
                "the schema is newer than this program, which works with it: upgrade this one when the others are",
                metadata: ["schema.version": "\(status.version)", "version": "\(Version.current)"]
            )
        }
        guard let installation = try await pool.run(Queries.readInstallation()).first?.installation else {
            throw WorkerCannotStart.notConfigured
        }
        if installation.partnerMode == .solutionPartner, settings.systemToken == nil {
            throw WorkerCannotStart.settings(SettingsErrors([.missing(name: "EMBARK_SYSTEM_TOKEN")]))
        }
        let throttles = try await pool.run(Queries.listThrottles(JobQueue.throttlesMax))
        let asked = ContinuousClock.now
        let rows = try await pool.run(
            Queries.registerWorker(
                ProcessInfo.processInfo.hostName,
                getpid(),
                Version.current,
                settings.keys.keyIDs
            )
        )
        guard let row = rows.first else { throw PostgresError.decoding("no worker id was returned") }
        let id = row.id
        let direct = try ConnectionOptions(
            (settings.directDatabaseURL.revealed.isEmpty ? settings.database.databaseURL : settings.directDatabaseURL)
                .revealed,
            applicationName: "embark listen"
        )
        return Ready(
            workerID: id,
            clock: DatabaseClock(unixSeconds: row.unixSeconds, at: asked),
            installation: installation,
            throttles: throttles,
            listener: Listener(direct, channels: ["embark_jobs", WorkerRun.throttleChannel]) {
                connection throws(PostgresError) in
                _ = try await connection.run(Queries.takePresence(Int32(truncatingIfNeeded: id)))
            }
        )
    }
}

/// The database's time of day, in this process: read once, and counted on by the clock that nobody sets. This machine's own
/// time of day may be hours off.
struct DatabaseClock: Sendable {
    private let start: Double
    private let startedAt: ContinuousClock.Instant

    /// - Parameter unixSeconds: since 1970, as the database said it when it was asked `at`.
    init(unixSeconds: Double, at instant: ContinuousClock.Instant) {
        start = unixSeconds
        startedAt = instant
    }

    /// Since 1970.
    var unixSeconds: Double { start + (ContinuousClock.now - startedAt) / .seconds(1) }
}

/// A row of register_worker.sql.
struct RegisteredWorker: RowDecodable {
    let id: Int64
    /// Since 1970, by the database's clock.
    let unixSeconds: Double

    static let columnTypes: [PostgresType] = [.int8, .float8]

    init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        unixSeconds = try row.next()
    }
}

/// Why a worker ends before its first claim.
public enum WorkerCannotStart: Error, CustomStringConvertible {
    case notConfigured
    case outstanding([String])
    case settings(SettingsErrors)

    public var description: String {
        switch self {
        case .notConfigured: "the installation is not configured. Run: embark configure"
        case .outstanding(let names):
            "migrations are outstanding: \(names.joined(separator: ", ")). Run: embark migrate"
        case .settings(let errors): errors.description
        }
    }
}
