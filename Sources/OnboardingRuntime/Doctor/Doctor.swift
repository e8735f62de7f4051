/// `embark doctor`: looks at the set-up and says what is wrong with it, each finding with its remedy.
///
/// This file has the order of the checks and what becomes of one that cannot be made; each family has a file of its own.
import Onboarding
public import Postgres

public struct Doctor: Sendable {
    /// From where on something is worth a word. Tests set them low instead of waiting.
    package struct Limits: Sendable {
        /// How long a transaction may be open.
        package var snapshotSeconds = 300.0
        /// How many rows of the queue's table may be dead. Vacuum begins at 5,000.
        package var deadRows: Int64 = 100_000
        /// How long a job may be due before somebody claims it, and from when on that is a failure.
        package var overdueSeconds = 300.0
        package var stuckSeconds = 3600.0
        /// A worker that was not heard of for longer is not counted: it says something each few seconds.
        package var workerSeconds = 60.0
        /// For each question to the database, and for the call to Graph.
        package var deadline = Duration.seconds(5)

        package init() {}
    }

    /// How long before its end a token is warned of.
    static let tokenDays: Int32 = 14
    /// Tokens that are counted, of those that end and of those that have ended.
    static let tokensMax: Int32 = 10_000

    let options: ConnectionOptions
    let settings: DoctorSettings
    let limits: Limits

    /// - Parameter options: of the database that is looked at.
    public init(options: ConnectionOptions, settings: DoctorSettings) {
        self.init(options: options, settings: settings, limits: Limits())
    }

    package init(options: ConnectionOptions, settings: DoctorSettings, limits: Limits) {
        self.options = options
        self.settings = settings
        self.limits = limits
    }

    /// All that was found.
    public struct Report: Sendable {
        public let findings: [Finding]
        /// Why the database could not be looked at; nil when it could.
        public let unreachable: PostgresError?
    }

    /// Makes every check, in the order in which they build on each other. One that cannot be made is a finding, too, and keeps
    /// no other from being made. Takes at most five seconds a check.
    ///
    /// - Parameter clock: this machine's time. It is compared with the database's, and says which day it is.
    public func examine(clock: @Sendable () -> Timestamp) async -> Report {
        var findings: [Finding] = []
        var unreachable: PostgresError?
        var caller = GraphCaller.nobody
        do throws(PostgresError) {
            let connection = try await Connection.open(options)
            let database = DatabaseChecks(connection: connection, limits: limits)
            findings += await examine(database, clock: clock)
            caller = await database.caller()
            await connection.close()
        } catch {
            unreachable = error
            findings.append(
                .fail(
                    "database",
                    "cannot be reached: \(error)",
                    remedy: "Check EMBARK_DATABASE_URL, and that PostgreSQL runs and lets this user in."
                )
            )
        }
        findings.append(keyRing())
        findings.append(version(on: clock()))
        findings += await graph(as: caller, now: clock())
        return Report(findings: findings, unreachable: unreachable)
    }

    private func examine(_ database: DatabaseChecks, clock: @Sendable () -> Timestamp) async -> [Finding] {
        var findings: [Finding] = []
        findings += await Self.check("database") { try await database.server(clock: clock) }
        let aboutSchema = await Self.check("schema") { try await database.schema() }
        findings += aboutSchema
        findings += await Self.check("roles") { try await database.roles() }
        findings += await Self.check("open snapshots") { try await database.snapshots() }
        // Without the schema the rest would only say so again.
        if aboutSchema.contains(where: { $0.level == .fail }) { return findings }
        // Of a newer schema only the newer program knows what belongs into it.
        if aboutSchema.allSatisfy({ $0.level == .ok }) {
            findings += await Self.check("catalogue") { try await database.catalogue() }
        }
        findings += await Self.check("rights") { try await database.rights() }
        findings += await Self.check("functions") { try await database.functions() }
        findings += await Self.check("secrets") { try await database.secrets() }
        findings += await Self.check("server log") { try await database.logging() }
        findings += await Self.check("vacuum") { try await database.vacuum() }
        findings += await Self.check("pauses") { try await database.pauses() }
        findings += await Self.check("tokens") { try await database.tokens() }
        findings += await Self.check("queue") { try await database.queue() }
        if let keys = settings.keys {
            findings += await Self.check("sealed texts", askAs: "embark_worker or embark_migrator") {
                try await database.sealedTexts(keys)
            }
        }
        findings += await Self.check("worker keys") { try await database.workerKeys() }
        findings += await Self.check("installation") { try await database.installation() }
        return findings
    }

    /// A check that fails is a finding, so that one missing right does not hide what the others have to say.
    static func check(
        _ subject: String,
        askAs groups: String = "embark_operator or embark_migrator",
        _ body: () async throws -> [Finding]
    ) async -> [Finding] {
        do {
            do {
                return try await body()
            } catch MigrationError.database(let cause, _) {
                throw cause
            }
        } catch let error as PostgresError where error.isMissingPrivilege {
            return [
                .warn(
                    subject,
                    "this database user may not look: \(error)",
                    remedy: "Run doctor as a member of \(groups)."
                )
            ]
        } catch let error as PostgresError where error.isMissingTable {
            return [.fail(subject, "the schema is missing or incomplete", remedy: "Run: embark migrate")]
        } catch let error as PostgresError {
            return [.fail(subject, "could not be looked at: \(error)", remedy: "Run doctor again.")]
        } catch {
            // An error of several lines says in the first what is wrong and in the others what to do.
            let lines = "\(error)".split(separator: "\n")
            let remedy = lines.dropFirst().joined(separator: " ")
            return [.fail(subject, String(lines.first ?? ""), remedy: remedy.isEmpty ? nil : remedy)]
        }
    }
}

/// What is asked of the database; the families are extensions of this.
struct DatabaseChecks: Sendable {
    let connection: Connection
    let limits: Doctor.Limits

    func ask<Row>(_ call: Call<Row>) async throws(PostgresError) -> [Row] {
        try await connection.run(call, deadline: limits.deadline)
    }
}
