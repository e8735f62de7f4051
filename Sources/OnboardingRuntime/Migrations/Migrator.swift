/// Brings a database's schema up to this program: numbered SQL files, each applied once, in order, in a transaction.
public import Postgres
import SQL

/// Applies migrations under a lock that ends with each transaction. Killed at any point it leaves either all or nothing of a
/// migration, and the next run goes on behind the last one that committed; any number of processes may run at once.
public struct Migrator: Sendable {
    /// One file of sql/migrations.
    public struct Migration: Sendable, Equatable {
        /// From 1, without gaps.
        public let version: Int32
        /// The file's name without `.sql`.
        public let name: String
        public let sql: String

        public init(version: Int32, name: String, sql: String) {
            self.version = version
            self.name = name
            self.sql = sql
        }
    }

    /// Where a database stands.
    public struct Status: Sendable, Equatable {
        /// What this program would apply, in order.
        public let outstanding: [Migration]
        /// The version of the newest applied migration, 0 for none.
        public let version: Int32
        /// Whether a newer program has migrated this database further. A program works with a newer schema.
        public let isNewerThanProgram: Bool
    }

    /// Another process may be migrating: it is waited for this long.
    static let lockDeadline = Duration.seconds(600)
    /// Migrations are short by design, but an index over a large table takes its time.
    static let migrationDeadline = Duration.seconds(3600)

    private let migrations: [Migration]

    public init() {
        self.init(
            migrations: SQL.migrations.enumerated().map { index, file in
                Migration(version: Int32(index + 1), name: file.name, sql: file.text)
            }
        )
    }

    /// For tests: other migrations than the program's own.
    package init(migrations: [Migration]) {
        self.migrations = migrations
    }

    /// Compares the database with this program, and changes nothing.
    ///
    /// - Throws: `MigrationError.altered` when an applied migration is not the one in this program.
    public func status(on connection: Connection) async throws(MigrationError) -> Status {
        let applied: [AppliedMigration]
        do throws(PostgresError) {
            applied = try await connection.run(Queries.listMigrations())
        } catch  where error.isMissingTable {
            applied = []
        } catch {
            throw .database(error, doing: "reading embark.schema_migrations")
        }
        return try await compare(applied, on: connection)
    }

    /// Applies what is outstanding; `progress` hears of each migration after it has committed.
    ///
    /// - Returns: what this call applied, and the version that the schema now has.
    /// - Throws: `MigrationError`; what had been applied before stays applied.
    @discardableResult
    public func migrate(
        on connection: Connection,
        progress: (Migration) -> Void = { _ in }
    ) async throws(MigrationError) -> (applied: [Migration], version: Int32) {
        try await prepareDatabase(on: connection)
        var applied: [Migration] = []
        while true {
            switch try await applyNext(on: connection) {
            case .applied(let migration):
                progress(migration)
                applied.append(migration)
            case .nothingOutstanding(let version):
                return (applied, version)
            }
        }
    }

    /// What `migrate` would do now, as a script that psql can run instead: it records itself.
    public func script(on connection: Connection) async throws(MigrationError) -> String {
        let outstanding = try await status(on: connection).outstanding
        guard !outstanding.isEmpty else { return "" }
        var script =
            "\\set ON_ERROR_STOP on\n\nBEGIN;\n\(SQL.lockMigrations.text);\n\(SQL.prepareDatabase.text)\nCOMMIT;\n"
        for migration in outstanding {
            // The record's parameters as literals: a dollar quote that stands nowhere in the file.
            let quoted = Self.dollarQuoted(migration.sql)
            script += """

                BEGIN;
                \(Self.becomeOwner)
                \(migration.sql)
                ;
                PREPARE record_migration (integer, text, text) AS
                \(SQL.recordMigration.text);
                EXECUTE record_migration (\(migration.version), '\(migration.name)', \(quoted));
                DEALLOCATE record_migration;
                COMMIT;

                """
        }
        return script
    }

    // Everything that is made belongs to the owner, whoever migrates. Waiting long for a lock on a busy table would make
    // everybody behind it wait, too: better to fail and be started again.
    private static let becomeOwner = "SET LOCAL ROLE embark_owner; SET LOCAL lock_timeout = '10s';"

    private func prepareDatabase(on connection: Connection) async throws(MigrationError) {
        do throws(PostgresError) {
            try await Transaction.run(on: connection) { () async throws(PostgresError) in
                _ = try await connection.run(Queries.lockMigrations(), deadline: Self.lockDeadline)
                try await connection.script(SQL.prepareDatabase.text, deadline: Self.migrationDeadline)
            }
        } catch  where error.isMissingPrivilege {
            throw .mayNotPrepare(await Self.rightsToGrant(on: connection))
        } catch {
            throw .database(error, doing: "making the roles and the schema")
        }
    }

    private enum Round {
        case applied(Migration)
        case nothingOutstanding(version: Int32)
    }

    /// Applies the first outstanding migration. What is outstanding is read under the lock, each time anew: another process
    /// may have been faster.
    private func applyNext(on connection: Connection) async throws(MigrationError) -> Round {
        try await Transaction.run(on: connection) { () async throws(MigrationError) in
            do throws(PostgresError) {
                _ = try await connection.run(Queries.lockMigrations(), deadline: Self.lockDeadline)
                try await connection.script(Self.becomeOwner)
            } catch {
                throw .database(error, doing: "waiting for another migration to end")
            }
            let status = try await status(on: connection)
            guard let migration = status.outstanding.first else {
                return .nothingOutstanding(version: status.version)
            }
            do throws(PostgresError) {
                try await connection.script(migration.sql, deadline: Self.migrationDeadline)
                _ = try await connection.run(Queries.recordMigration(migration.version, migration.name, migration.sql))
            } catch {
                throw .database(error, doing: "applying \(migration.name), which was rolled back")
            }
            return .applied(migration)
        }
    }

    private func compare(
        _ applied: [AppliedMigration],
        on connection: Connection
    ) async throws(MigrationError) -> Status {
        let digests: [String]
        do throws(PostgresError) {
            digests = try await connection.run(Queries.digestTexts(migrations.map(\.sql))).map(\.value)
        } catch {
            throw .database(error, doing: "computing the migrations' checksums")
        }
        let appliedByVersion = Dictionary(applied.map { ($0.version, $0) }, uniquingKeysWith: { first, _ in first })
        var outstanding: [Migration] = []
        for (migration, digest) in zip(migrations, digests) {
            guard let row = appliedByVersion[migration.version] else {
                outstanding.append(migration)
                continue
            }
            if row.sha256 != digest || row.name != migration.name {
                throw .altered(name: migration.name, appliedName: row.name)
            }
        }
        let newest = applied.map(\.version).max() ?? 0
        return Status(
            outstanding: outstanding,
            version: newest,
            isNewerThanProgram: newest > Int32(migrations.count)
        )
    }

    private static func rightsToGrant(on connection: Connection) async -> String {
        var user = "THIS_USER"
        var database = "THIS_DATABASE"
        var missing: [String] = []
        do throws(PostgresError) {
            if let server = try await connection.run(Queries.inspectServer()).first {
                user = server.userName
                database = server.databaseName
            }
            // Another database of this cluster may have made them already.
            missing = try await connection.run(Queries.inspectRoles()).filter { !$0.isPresent }.map(\.name)
        } catch {
            // The names are a courtesy; without them the remedy still says what to do.
        }
        let quote = { (name: String) in "\"" + name.replacing("\"", with: "\"\"") + "\"" }
        return missing.map { "CREATE ROLE \($0) NOLOGIN;\n" }.joined()
            + "GRANT embark_owner TO embark_migrator;"
            + "\nGRANT embark_migrator TO \(quote(user));"
            + "\nGRANT CREATE ON DATABASE \(quote(database)) TO embark_owner, \(quote(user));"
    }

    private static func dollarQuoted(_ text: String) -> String {
        var tag = "$migration$"
        while text.contains(tag) { tag = "$m" + tag.dropFirst() }
        return tag + text + tag
    }
}

/// A row of embark.schema_migrations.
struct AppliedMigration: RowDecodable {
    let version: Int32
    let name: String
    let sha256: String

    static let columnTypes: [PostgresType] = [.int4, .text, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        version = try row.next()
        name = try row.next()
        sha256 = try row.next()
    }
}
