/// Reads and writes the installation row.
public import Onboarding
public import Postgres

public enum InstallationStore {
    /// The row, or nil before the first `embark configure`.
    public static func read(
        on connection: Connection
    ) async throws(PostgresError) -> (Installation, updatedAt: Timestamp)? {
        guard let row = try await connection.run(Queries.readInstallation()).first else { return nil }
        return (row.installation, row.updatedAt)
    }

    /// Writes the whole row and leaves a row in the audit. The caller has looked at `installation.problems`.
    public static func write(_ installation: Installation, on connection: Connection) async throws(PostgresError) {
        _ = try await connection.run(
            Queries.writeInstallation(
                installation.partnerMode.rawValue,
                installation.appID,
                installation.creditLineID,
                installation.systemUserID,
                installation.businessID,
                installation.currencies,
                installation.creditMethod.rawValue,
                installation.verifiesGrants
            )
        )
    }
}

struct InstallationRow: RowDecodable {
    let installation: Installation
    let updatedAt: Timestamp

    static let columnTypes: [PostgresType] = [
        .text, .text, .text, .text, .text, [String].postgresType, .text, .bool, .timestamptz,
    ]

    init(_ row: inout RowReader) throws(PostgresError) {
        let mode: String = try row.next()
        guard let partnerMode = PartnerMode(rawValue: mode) else {
            throw .decoding("embark.installation has a partner mode that this version does not know")
        }
        var installation = Installation(partnerMode: partnerMode)
        installation.appID = try row.next()
        installation.creditLineID = try row.next()
        installation.systemUserID = try row.next()
        installation.businessID = try row.next()
        installation.currencies = try row.next()
        let method: String = try row.next()
        guard let creditMethod = CreditMethod(rawValue: method) else {
            throw .decoding("embark.installation has a credit method that this version does not know")
        }
        installation.creditMethod = creditMethod
        installation.verifiesGrants = try row.next()
        self.installation = installation
        updatedAt = try row.next()
    }
}
