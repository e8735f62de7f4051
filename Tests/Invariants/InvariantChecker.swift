/// Reads the invariants off the database and off the simulator's ledger, at the end of a run.
public import Foundation
import Postgres

public actor InvariantChecker {
    /// Of each invariant, as many of what breaks it come with their signup's history.
    public static let historiesMax = 20
    /// Every check by its name, with its invariant.
    public static let checks: [String: Invariant] = Check.all.reduce(
        into: ["canaries": .secretsStaySecret, "snapshot": .historyStays]
    ) { $0[$1.name] = $1.invariant }

    private static let historyLinesMax: Int32 = 400

    private let database: String
    private let ledger: Ledger
    private let secrets: SecretSearch
    private let propagationSeconds: Double
    private var snapshots = Snapshots()
    private var acknowledged: [Int64] = []
    private var deaf: [Range<Date>] = []

    /// - Parameters:
    ///   - database: the URL of a superuser: the checks read all tables, embark.secrets included.
    ///   - ledger: its lines may come later; what is there when `broken` is called counts. So are `texts`.
    ///   - texts: files and folders in which no canary may stand: the workers' logs, the server's, scrapes of the metrics,
    ///     arguments of processes.
    ///   - propagationSeconds: for how long behind an answer that throttles calls may come that had been let go: a worker looks
    ///     at the pauses twice a second and is notified besides, makes its call a commit later, and may have to wait for a
    ///     processor.
    public init(
        database: String,
        ledger: Ledger,
        canaries: [Canary],
        texts: [URL],
        propagationSeconds: Double = 3
    ) {
        self.database = database
        self.ledger = ledger
        self.propagationSeconds = propagationSeconds
        secrets = SecretSearch(canaries: canaries, texts: texts)
    }

    /// Ids that a commit has given to upstream: those signups must be there at the end.
    public func acknowledge(_ ids: some Sequence<Int64>) { acknowledged += ids }

    /// A time in which some worker was stopped or cut off from its database, so that nothing could tell it of a throttle: what
    /// came then is not held against it.
    public func excuse(_ time: Range<Date>) { deaf.append(time) }

    /// Remembers the history so far, to see at the end that it has stayed. A row is written some moments after the time in it, so
    /// what is younger than `behind` is left to the next snapshot.
    public func snapshot(behind: Duration = .seconds(30)) async throws {
        var grown = snapshots
        try await withSession { connection in try await grown.grow(over: connection, behind: behind) }
        snapshots = grown
    }

    /// Everything that is broken, in the order of the invariants; all of it is counted.
    ///
    /// - Parameter progress: is told each check's name and how long it has taken.
    public func broken(
        progress: @Sendable (_ check: String, _ time: Duration) -> Void = { _, _ in }
    ) async throws -> [BrokenInvariant] {
        try await withSession { connection in
            var found: [BrokenInvariant] = []
            // Before the ledger, which has codes in plain text, comes near the server and its log.
            found += try await secrets.inFiles()
            found += try await secrets.inTables(over: connection)
            try await lay(over: connection)
            for check in Check.all {
                let start = ContinuousClock.now
                let rows = try await connection.run(check.statement(), deadline: .seconds(600))
                progress(check.name, .now - start)
                found += rows.map {
                    BrokenInvariant(invariant: check.invariant, check: check.name, signupID: $0.signupID, seen: $0.seen)
                }
            }
            found += try await snapshots.changed(over: connection)
            return try await withHistories(found, over: connection)
        }
    }

    private func lay(over connection: Connection) async throws {
        try await connection.script(Check.text(PackageResources.prepare_sql))
        try await connection.script(Check.text(PackageResources.is_refused_sql))
        let settings = Statement<Single<String>, String>(
            "propagation",
            "SELECT set_config('invariants.propagation_seconds', $1, false)"
        )
        _ = try await connection.run(settings("\(propagationSeconds)"))
        let insert = Statement<NoRow, Int64Column>(
            "acknowledged",
            "INSERT INTO acknowledged (id) SELECT unnest($1::bigint[])"
        )
        for start in stride(from: 0, to: acknowledged.count, by: 100_000) {
            var ids = Int64Column(reserving: 100_000)
            for id in acknowledged[start..<min(start + 100_000, acknowledged.count)] { ids.append(id) }
            _ = try await connection.run(insert(ids))
        }
        let excuse = Statement<NoRow, [Double], [Double]>(
            "excuse",
            "INSERT INTO deaf (since, until) SELECT * FROM unnest($1::float8[], $2::float8[])"
        )
        _ = try await connection.run(
            excuse(deaf.map(\.lowerBound.timeIntervalSince1970), deaf.map(\.upperBound.timeIntervalSince1970))
        )
        try await ledger.load(over: connection)
    }

    private func withHistories(
        _ found: [BrokenInvariant],
        over connection: Connection
    ) async throws -> [BrokenInvariant] {
        let history = Statement<Single<String>, Int64, Int32>("history", Check.text(PackageResources.history_sql))
        var told: [Invariant: Int] = [:]
        var result = found.sorted { $0.invariant.rawValue < $1.invariant.rawValue }
        for index in result.indices {
            guard let id = result[index].signupID, told[result[index].invariant, default: 0] < Self.historiesMax else {
                continue
            }
            told[result[index].invariant, default: 0] += 1
            let lines = try await connection.run(history(id, Self.historyLinesMax), deadline: .seconds(60))
            result[index].history = lines.map { secrets.masked($0.value) }.joined(separator: "\n")
        }
        return result
    }

    private func withSession<Result: Sendable>(
        _ body: (Connection) async throws -> Result
    ) async throws -> Result {
        var options = try ConnectionOptions(database, applicationName: "invariants")
        options.sessionSettings = [
            "work_mem": "256MB", "maintenance_work_mem": "256MB", "temp_buffers": "256MB", "jit": "off",
        ]
        let connection = try await Connection.open(options)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(connection))
        } catch {
            outcome = .failure(error)
        }
        await connection.close()
        return try outcome.get()
    }
}
