/// The rows in which a rotation sees stored values and workers.
public import Postgres

/// A row of read_sealed.sql: what is sealed of one signup.
struct SealedRow: RowDecodable {
    let signupID: Int64
    let token: String?
    let pin: String?
    /// The last id that there is: how far the end is away.
    let lastSignupID: Int64

    static let columnTypes: [PostgresType] = [.int8, .text, .text, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        signupID = try row.next()
        token = try row.next()
        pin = try row.next()
        lastSignupID = try row.next()
    }
}

/// A row of count_sealed.sql: equal headers of one purpose or, without a purpose, the page itself.
struct SealedCount: RowDecodable {
    let purpose: String?
    let header: [UInt8]?
    let count: Int64
    let lastSignupID: Int64?
    /// The last id that there is: how far the end is away.
    let endSignupID: Int64?

    static let columnTypes: [PostgresType] = [.text, .bytea, .int8, .int8, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        purpose = try row.next()
        header = try row.next()
        count = try row.next()
        lastSignupID = try row.next()
        endSignupID = try row.next()
    }
}

/// A worker that lives, or may, with the ids of its keys: the first one seals.
public struct KeyHolder: RowDecodable, Sendable {
    public let workerID: Int64
    public let host: String
    public let processID: Int32
    public let version: String
    /// Empty for a worker of a version that did not say.
    public let keyIDs: [String]

    public static let columnTypes: [PostgresType] = [.int8, .text, .int4, .text, [String].postgresType]

    public init(_ row: inout RowReader) throws(PostgresError) {
        workerID = try row.next()
        host = try row.next()
        processID = try row.next()
        version = try row.next()
        keyIDs = try row.next()
    }

    /// As messages name it.
    public var name: String { "worker \(workerID) (\(host), process \(processID))" }

    /// More than any installation runs.
    private static let holdersMax: Int32 = 1_000

    static var all: Call<KeyHolder> { Queries.listKeyHolders(holdersMax) }

    public static func all(on connection: Connection) async throws(PostgresError) -> [KeyHolder] {
        try await connection.run(all)
    }
}
