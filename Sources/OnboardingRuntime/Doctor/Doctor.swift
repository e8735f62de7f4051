/// `embark doctor`: looks at the set-up and says what is wrong with it, each finding with its remedy.
import Onboarding
public import Postgres

/// What one check found.
public struct Finding: Sendable, Equatable {
    public enum Level: String, Sendable {
        case ok = "OK"
        case warn = "WARN"
        case fail = "FAIL"
    }

    public let level: Level
    /// What was looked at, one or two words.
    public let subject: String
    public let message: String
    /// What to do; nil when there is nothing to do.
    public let remedy: String?
}

public struct Doctor: Sendable {
    /// The oldest server that Embark is tested with.
    static let oldestServerVersion: Int32 = 150_000
    /// A larger difference makes the times in logs misleading. Due times are the database's alone.
    static let clockDifferenceMax = Duration.seconds(1)

    /// How long before its end a token is warned of.
    static let tokenDays: Int32 = 14
    private static let pausesMax: Int32 = 1_000
    private static let pausesShown = 10

    let connection: Connection

    public init(connection: Connection) {
        self.connection = connection
    }

    /// All findings, in the order in which they build on each other. A check that cannot be made is a finding, too.
    ///
    /// - Parameter clock: this machine's time. It is compared with the database's and decides nothing else.
    public func examine(clock: @Sendable () -> Timestamp) async -> [Finding] {
        var findings: [Finding] = []
        findings += await check("database") { try await server(clock: clock) }
        let aboutSchema = await check("schema") { try await schema() }
        findings += aboutSchema
        findings += await check("roles") { try await roles() }
        // Without the schema the rest would only say so again.
        if aboutSchema.contains(where: { $0.level == .fail }) { return findings }
        findings += await check("rights") { try await rights() }
        findings += await check("functions") { try await functions() }
        findings += await check("secrets") { try await secrets() }
        findings += await check("server log") { try await logging() }
        findings += await check("pauses") { try await pauses() }
        findings += await check("tokens") { try await tokens() }
        findings += await check("keys") { try await keys() }
        findings += await check("installation") { try await installation() }
        return findings
    }

    private func server(clock: @Sendable () -> Timestamp) async throws -> [Finding] {
        let before = clock()
        guard let facts = try await connection.run(Queries.inspectServer()).first else { return [] }
        let after = clock()
        var findings: [Finding] = []
        let place = "PostgreSQL \(facts.version), database \(facts.databaseName), as \(facts.userName)"
        if facts.versionNumber < Self.oldestServerVersion {
            findings.append(
                .fail("database", place, remedy: "Embark needs PostgreSQL 15 or later: upgrade the server.")
            )
        } else {
            findings.append(.ok("database", place))
        }
        if !facts.isEncrypted, !facts.isLocal {
            findings.append(
                .warn(
                    "connection",
                    "the connection leaves this machine unencrypted, and codes and tokens travel over it",
                    remedy: "Add sslmode=verify-full and sslrootcert=… to EMBARK_DATABASE_URL."
                )
            )
        }
        // The database's clock was read somewhere between our two looks.
        let ahead = max(
            0,
            facts.clock.microseconds - after.microseconds,
            before.microseconds - facts.clock.microseconds
        )
        if Duration.microseconds(ahead) > Self.clockDifferenceMax {
            findings.append(
                .warn(
                    "clock",
                    "this machine's clock and the database's differ by \(ahead / 1_000_000) s",
                    remedy: "Run a time service (chrony, systemd-timesyncd) on both. Due times follow the database."
                )
            )
        } else {
            findings.append(.ok("clock", "within a second of the database's"))
        }
        return findings
    }

    private func schema() async throws -> [Finding] {
        let status = try await Migrator().status(on: connection)
        if !status.outstanding.isEmpty {
            let names = status.outstanding.map(\.name).joined(separator: ", ")
            return [.fail("schema", "migrations are outstanding: \(names)", remedy: "Run: embark migrate")]
        }
        if status.isNewerThanProgram {
            return [
                .warn(
                    "schema",
                    "version \(status.version) is newer than this program",
                    remedy: "Nothing breaks. Upgrade this program when the others are."
                )
            ]
        }
        return [.ok("schema", "version \(status.version), up to date")]
    }

    private func roles() async throws -> [Finding] {
        let roles = try await connection.run(Queries.inspectRoles())
        var findings: [Finding] = []
        let missing = roles.filter { !$0.isPresent }.map(\.name)
        if !missing.isEmpty {
            findings.append(
                .fail("roles", "missing: \(missing.joined(separator: ", "))", remedy: "Run: embark migrate")
            )
        }
        for role in roles where role.isTooMighty {
            findings.append(
                .fail(
                    "roles",
                    "\(role.name) can log in, or is a superuser, or bypasses row security; it must only group rights",
                    remedy: "ALTER ROLE \(role.name) NOLOGIN NOSUPERUSER NOBYPASSRLS;"
                )
            )
        }
        return findings.isEmpty ? [.ok("roles", "all \(roles.count) are there and can only be granted")] : findings
    }

    /// A role that was dropped and made again has lost its rights, and so has a dump restored into another cluster.
    private func rights() async throws -> [Finding] {
        let missing = try await connection.run(Queries.inspectRights())
        if missing.isEmpty { return [.ok("rights", "each role has what it is for")] }
        return missing.map { .fail("rights", "\($0.role) may not \($0.right)", remedy: $0.remedy) }
    }

    private func functions() async throws -> [Finding] {
        let problems = try await connection.run(Queries.inspectFunctions())
        if problems.isEmpty { return [.ok("functions", "owned, pinned and revoked from PUBLIC")] }
        return problems.map { found in
            .fail(
                "functions",
                "\(found.function) \(found.problem)",
                remedy: "Compare it with sql/migrations and restore it."
            )
        }
    }

    private func secrets() async throws -> [Finding] {
        let readers = try await connection.run(Queries.inspectSecrets()).map(\.value)
        if readers.isEmpty { return [.ok("secrets", "only workers and the owner can read them")] }
        return [
            .fail(
                "secrets",
                "codes and PINs can be read by: \(readers.joined(separator: ", "))",
                remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of."
            )
        ]
    }

    private func logging() async throws -> [Finding] {
        let leaks = try await connection.run(Queries.inspectLogging())
        if leaks.isEmpty {
            return [.ok("server log", "no login role's settings write bound parameters into it")]
        }
        return leaks.map { leak in
            .warn(
                "server log",
                "\(leak.role): \(leak.setting) = \(leak.value) writes codes and PINs into the server's log",
                remedy: leak.remedy
            )
        }
    }

    private func pauses() async throws -> [Finding] {
        let rows = try await connection.run(Queries.listThrottles(Self.pausesMax))
        if rows.isEmpty { return [.ok("pauses", "nothing rests")] }
        // Our own credentials first: they are somebody's to renew.
        return rows.sorted { $0.isCredentials && !$1.isCredentials }.prefix(Self.pausesShown).map { row in
            let message = "\(row.scope) rests for \(Int(max(1, row.seconds))) s more: \(row.reason)"
            guard row.isCredentials else {
                return .warn("pauses", message, remedy: "It ends by itself. To end it now: embark resume \(row.scope)")
            }
            let secret = row.scope == "app" ? "EMBARK_APP_SECRET" : "EMBARK_SYSTEM_TOKEN"
            return .fail(
                "credentials",
                message,
                remedy: "Set \(secret) anew, restart the workers, and run: embark resume \(row.scope)"
            )
        }
    }

    private func tokens() async throws -> [Finding] {
        let facts = try await connection.run(Queries.inspectTokens(Self.tokenDays)).first
        guard let facts, facts.tokens > 0, let first = facts.firstSeconds else {
            return [.ok("tokens", "none ends within \(Self.tokenDays) days")]
        }
        let when = first < 0 ? "the first has ended" : "the first in \(Int(first / 86_400)) days"
        return [
            .warn(
                "tokens",
                "\(facts.tokens) business tokens end within \(Self.tokenDays) days, \(when)",
                remedy: "Have those customers go through the popup again, and renew their signups."
            )
        ]
    }

    private func installation() async throws -> [Finding] {
        guard let (installation, _) = try await InstallationStore.read(on: connection) else {
            return [
                .fail(
                    "installation",
                    "not configured: no signup can be enqueued",
                    remedy: "Run: embark configure --app-id … --credit-line-id … --system-user-id …"
                )
            ]
        }
        let problems = installation.problems
        if !problems.isEmpty {
            return problems.map { .fail("installation", $0, remedy: "Run: embark configure") }
        }
        return [.ok("installation", "\(installation.partnerMode.rawValue), app \(installation.appID)")]
    }

    /// A check that fails is a finding, so that one missing right does not hide what the others have to say.
    private func check(_ subject: String, _ body: () async throws -> [Finding]) async -> [Finding] {
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
                    remedy: "Run doctor as a member of embark_operator or embark_migrator."
                )
            ]
        } catch let error as PostgresError where error.isMissingTable {
            return [.fail(subject, "the schema is missing or incomplete", remedy: "Run: embark migrate")]
        } catch {
            // An error of several lines says in the first what is wrong and in the others what to do.
            let lines = "\(error)".split(separator: "\n")
            let remedy = lines.dropFirst().joined(separator: " ")
            return [.fail(subject, String(lines.first ?? ""), remedy: remedy.isEmpty ? nil : remedy)]
        }
    }
}

extension Finding {
    static func ok(_ subject: String, _ message: String) -> Finding {
        Finding(level: .ok, subject: subject, message: message, remedy: nil)
    }

    static func warn(_ subject: String, _ message: String, remedy: String?) -> Finding {
        Finding(level: .warn, subject: subject, message: message, remedy: remedy)
    }

    static func fail(_ subject: String, _ message: String, remedy: String?) -> Finding {
        Finding(level: .fail, subject: subject, message: message, remedy: remedy)
    }
}
