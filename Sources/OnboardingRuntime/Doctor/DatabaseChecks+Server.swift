/// The server: its version, the way to it, its clock, and what keeps it from cleaning up.
import Onboarding
import Postgres

extension DatabaseChecks {
    /// The oldest server that Embark is tested with.
    private static let oldestServerVersion: Int32 = 150_000
    /// A larger difference makes the times in logs misleading. Due times are the database's alone.
    private static let clockDifferenceMax = Duration.seconds(1)
    private static let snapshotsShown: Int32 = 3
    /// Transactions that a snapshot may be behind: from there on wraparound is near, whatever holds it.
    private static let transactionsMax: Int64 = 100_000_000

    func server(clock: @Sendable () -> Timestamp) async throws -> [Finding] {
        let before = clock()
        guard let facts = try await ask(Queries.inspectServer()).first else { return [] }
        let after = clock()
        let place = "PostgreSQL \(facts.version), database \(facts.databaseName), as \(facts.userName)"
        let database: Finding =
            facts.versionNumber < Self.oldestServerVersion
            ? .fail("database", place, remedy: "Embark needs PostgreSQL 15 or later: upgrade the server.")
            : .ok("database", place)
        let connection = EncryptionCheck.finding(
            hosts: connection.options.hosts,
            mode: connection.options.tlsMode,
            isEncrypted: facts.isEncrypted
        )
        let options = self.connection.options
        let found = [database, connection] + HostsCheck.findings(options.hosts, wanted: options.wantedSession)
        // The database's clock was read somewhere between our two looks.
        let ahead = max(
            0,
            facts.clock.microseconds - after.microseconds,
            before.microseconds - facts.clock.microseconds
        )
        if Duration.microseconds(ahead) <= Self.clockDifferenceMax {
            return found + [.ok("clock", "within a second of the database's")]
        }
        let clock = Finding.warn(
            "clock",
            "this machine's clock and the database's differ by \(ahead / 1_000_000) s",
            remedy: "Run a time service (chrony, systemd-timesyncd) on both. Due times follow the database."
        )
        return found + [clock]
    }

    /// An old snapshot keeps every row that died since: claims slow down, and in the end the server stops for wraparound.
    func snapshots() async throws -> [Finding] {
        let held = try await ask(Queries.inspectSnapshots(Self.snapshotsShown)).filter { snapshot in
            snapshot.seconds.map { $0 > limits.snapshotSeconds } ?? false
                || snapshot.transactions > Self.transactionsMax / 100
        }
        let unseen = try await ask(Queries.inspectSight()).map { remedy in
            Finding.warn(
                "open snapshots",
                "this user cannot see other users' sessions, and any of them may hold one",
                remedy: remedy.value
            )
        }
        if held.isEmpty, unseen.isEmpty {
            return [.ok("open snapshots", "none keeps dead rows from being removed")]
        }
        return unseen
            + held.map { snapshot in
                let age = snapshot.seconds.map { "for \(Int($0)) s, " } ?? ""
                let message =
                    "\(snapshot.holder) has held one \(age)\(snapshot.transactions) transactions behind: no row that died since is removed"
                return snapshot.transactions > Self.transactionsMax
                    ? .fail("open snapshots", message, remedy: snapshot.remedy)
                    : .warn("open snapshots", message, remedy: snapshot.remedy)
            }
    }

    func vacuum() async throws -> [Finding] {
        guard let facts = try await ask(Queries.inspectVacuum()).first else { return [] }
        guard facts.isAutomatic else {
            return [
                .fail(
                    "vacuum",
                    "autovacuum is off, on the server or for embark.jobs: each claim will get slower",
                    remedy:
                        "Set autovacuum and track_counts on, and: ALTER TABLE embark.jobs RESET (autovacuum_enabled);"
                )
            ]
        }
        let last = facts.vacuumedSecondsAgo.map { "vacuumed \(Int($0)) s ago" } ?? "never vacuumed"
        guard facts.deadRows > limits.deadRows else {
            return [.ok("vacuum", "embark.jobs has few dead rows")]
        }
        return [
            .warn(
                "vacuum",
                "embark.jobs has \(facts.deadRows) dead rows, \(last)",
                remedy: "Look for an old snapshot above; if there is none: VACUUM embark.jobs;"
            )
        ]
    }
}

/// Whether a connection string of several hosts finds the one that can write.
enum HostsCheck {
    /// - Parameter wanted: libpq's `target_session_attrs`.
    static func findings(_ hosts: [String], wanted: String) -> [Finding] {
        guard hosts.count > 1 else { return [] }
        guard ["read-write", "primary"].contains(wanted) else {
            return [
                .warn(
                    "hosts",
                    "of \(hosts.count) hosts the first that answers is taken, which may be a standby that takes no writes",
                    remedy: "Add target_session_attrs=read-write to EMBARK_DATABASE_URL."
                )
            ]
        }
        return [.ok("hosts", "of \(hosts.count) the one that takes writes is used")]
    }
}

/// Whether what travels to the database can be read or altered on the way.
enum EncryptionCheck {
    /// - Parameters:
    ///   - hosts: names, addresses and paths of sockets; empty for libpq's default, a socket.
    ///   - mode: libpq's `sslmode`.
    ///   - isEncrypted: what the server says of this session.
    static func finding(hosts: [String], mode: String, isEncrypted: Bool) -> Finding {
        let remedy = "Add sslmode=verify-full and sslrootcert=… to EMBARK_DATABASE_URL."
        guard hosts.contains(where: { !isLocal($0) }) else {
            return .ok("connection", "does not leave this machine")
        }
        if !isEncrypted {
            return .warn(
                "connection",
                "the connection leaves this machine unencrypted, and codes and tokens travel over it",
                remedy: remedy
            )
        }
        if mode != "verify-full" {
            return .warn(
                "connection",
                "encrypted, but with sslmode=\(mode) nothing says that it is the right server: it can be read on the way",
                remedy: remedy
            )
        }
        return .ok("connection", "encrypted, and the server's name is verified")
    }

    private static func isLocal(_ host: String) -> Bool {
        host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") || host == "localhost" || host == "::1"
            || host.wholeMatch(of: /127(\.[0-9]{1,3}){3}/) != nil
    }
}
