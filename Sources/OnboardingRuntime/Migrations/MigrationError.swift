/// Why a database could not be migrated, and what to do about it.
public import Postgres

public enum MigrationError: Error, CustomStringConvertible {
    /// An applied file is not the one in this program: a hard stop.
    case altered(name: String, appliedName: String)
    /// The user may not make roles or the schema; what an administrator runs first.
    case mayNotPrepare(String)
    case database(PostgresError, doing: String)

    public var description: String {
        switch self {
        case .altered(let name, let appliedName) where name == appliedName:
            """
            migration \(name) is not the file that was applied to this database: it was altered afterwards.
            Nothing was changed. Restore the file as it was released and put the change into a new migration.
            """
        case .altered(let name, let appliedName):
            """
            migration \(name) stands where this database has \(appliedName): it was renamed or replaced afterwards.
            Nothing was changed. Use the program that the database was migrated with, or a later release of it.
            """
        case .mayNotPrepare(let statements):
            """
            this database user may not make Embark's roles or schema. Nothing was changed.
            Have a superuser run this in the same database once, then migrate again:

            \(statements)
            """
        case .database(let error, let doing):
            "\(doing): \(error)"
        }
    }
}
