/// Where the database is: the one setting that every command needs.
import Onboarding
public import Postgres

public struct DatabaseSettings: Sendable {
    /// `EMBARK_DATABASE_URL`: a libpq URI or keyword string, "" for libpq's own `PG*` variables and defaults. It may hold a
    /// password, so nothing prints it.
    let databaseURL: Secret

    public init(sources: SettingSources) throws(SettingsError) {
        databaseURL = Secret(try sources.string("EMBARK_DATABASE_URL"))
    }

    /// The string itself, for a process that is started with it in its environment.
    public var text: String { databaseURL.revealed }

    /// - Throws: `SettingsError` when it is no connection string. The error shows nothing of it.
    public func connectionOptions(applicationName: String) throws(SettingsError) -> ConnectionOptions {
        do throws(PostgresError) {
            return try ConnectionOptions(databaseURL.revealed, applicationName: applicationName)
        } catch {
            throw .malformed(
                name: "EMBARK_DATABASE_URL",
                rule: "must be a PostgreSQL connection string: postgresql://USER@HOST:5432/DATABASE"
            )
        }
    }
}
