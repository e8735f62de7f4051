/// What doctor's queries return.
import Postgres

struct ServerFacts: RowDecodable {
    let version: String
    let versionNumber: Int32
    let userName: String
    let databaseName: String
    let clock: Timestamp
    let isEncrypted: Bool

    static let columnTypes: [PostgresType] = [.text, .int4, .text, .text, .timestamptz, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        version = try row.next()
        versionNumber = try row.next()
        userName = try row.next()
        databaseName = try row.next()
        clock = try row.next()
        isEncrypted = try row.next()
    }
}

struct RoleFacts: RowDecodable {
    let name: String
    let isPresent: Bool
    let isTooMighty: Bool

    static let columnTypes: [PostgresType] = [.text, .bool, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        name = try row.next()
        isPresent = try row.next()
        isTooMighty = try row.next()
    }
}

struct MissingRight: RowDecodable {
    let role: String
    let right: String
    let remedy: String

    static let columnTypes: [PostgresType] = [.text, .text, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        role = try row.next()
        right = try row.next()
        remedy = try row.next()
    }
}

struct FunctionFacts: RowDecodable {
    let function: String
    let problem: String

    static let columnTypes: [PostgresType] = [.text, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        function = try row.next()
        problem = try row.next()
    }
}

struct LoggingFacts: RowDecodable {
    let role: String
    let setting: String
    let value: String
    let remedy: String

    static let columnTypes: [PostgresType] = [.text, .text, .text, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        role = try row.next()
        setting = try row.next()
        value = try row.next()
        remedy = try row.next()
    }
}

/// Tokens that have ended lately, or that are about to end.
struct EndingTokens: RowDecodable {
    let hasEnded: Bool
    let tokens: Int64
    /// Until the first of them ends; negative when it has.
    let firstSeconds: Double
    /// The ids of the first of them.
    let signups: [String]

    static let columnTypes: [PostgresType] = [.bool, .int8, .float8, PostgresType.text.array]

    init(_ row: inout RowReader) throws(PostgresError) {
        hasEnded = try row.next()
        tokens = try row.next()
        firstSeconds = try row.next()
        signups = try row.next()
    }
}

/// An object of the schema.
struct CatalogueObject: RowDecodable {
    /// Such as "index jobs_claim".
    let name: String
    let digest: String
    /// Such as "is not valid".
    let problem: String?

    static let columnTypes: [PostgresType] = [.text, .text, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        name = try row.next()
        digest = try row.next()
        problem = try row.next()
    }
}

/// What keeps dead rows from being removed.
struct HeldSnapshot: RowDecodable {
    let holder: String
    /// How many transactions have begun since.
    let transactions: Int64
    /// nil for what has no beginning, such as a replication slot.
    let seconds: Double?
    let remedy: String

    static let columnTypes: [PostgresType] = [.text, .int8, .float8, .text]

    init(_ row: inout RowReader) throws(PostgresError) {
        holder = try row.next()
        transactions = try row.next()
        seconds = try row.next()
        remedy = try row.next()
    }
}

struct VacuumFacts: RowDecodable {
    let deadRows: Int64
    /// nil when it never was, or the statistics have been reset.
    let vacuumedSecondsAgo: Double?
    let isAutomatic: Bool

    static let columnTypes: [PostgresType] = [.int8, .float8, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        deadRows = try row.next()
        vacuumedSecondsAgo = try row.next()
        isAutomatic = try row.next()
    }
}

/// Jobs that are due and that nobody claims.
struct OverdueJobs: RowDecodable {
    let jobs: Int64
    /// The oldest; nil without one.
    let signupID: Int64?
    let step: String?
    let oldestSeconds: Double?

    static let columnTypes: [PostgresType] = [.int8, .int8, .text, .float8]

    init(_ row: inout RowReader) throws(PostgresError) {
        jobs = try row.next()
        signupID = try row.next()
        step = try row.next()
        oldestSeconds = try row.next()
    }
}

struct WorkerVersion: RowDecodable {
    let version: String
    let workers: Int64

    static let columnTypes: [PostgresType] = [.text, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        version = try row.next()
        workers = try row.next()
    }
}

/// A key that sealed texts name.
struct NeededKey: RowDecodable {
    let id: String
    let texts: Int64

    static let columnTypes: [PostgresType] = [.text, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        texts = try row.next()
    }
}
