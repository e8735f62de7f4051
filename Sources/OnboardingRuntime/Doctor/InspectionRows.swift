/// What doctor's queries return.
import Postgres

struct ServerFacts: RowDecodable {
    let version: String
    let versionNumber: Int32
    let userName: String
    let databaseName: String
    let clock: Timestamp
    let isEncrypted: Bool
    let isLocal: Bool

    static let columnTypes: [PostgresType] = [.text, .int4, .text, .text, .timestamptz, .bool, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        version = try row.next()
        versionNumber = try row.next()
        userName = try row.next()
        databaseName = try row.next()
        clock = try row.next()
        isEncrypted = try row.next()
        isLocal = try row.next()
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

/// Tokens that are about to end.
struct TokenFacts: RowDecodable {
    let tokens: Int64
    /// Until the first of them ends; negative when it has. nil without one.
    let firstSeconds: Double?

    static let columnTypes: [PostgresType] = [.int8, .float8]

    init(_ row: inout RowReader) throws(PostgresError) {
        tokens = try row.next()
        firstSeconds = try row.next()
    }
}
