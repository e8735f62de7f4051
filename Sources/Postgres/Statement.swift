/// A statement as a typed value: its text, the types of its parameters, and the row that it returns.

/// A named SQL text. Calling it with its parameters gives a `Call`, which a connection runs:
///
///     let claim = Statement<ClaimedJob, String, Int32>("claim", "SELECT … FROM claim($1, $2)")
///     let jobs = try await connection.run(claim("worker-1", 10))
public struct Statement<Row: RowDecodable, each Parameter: PostgresEncodable>: Sendable {
    /// Under this name the server keeps the prepared statement, and errors and the server's log show it.
    public let name: String
    public let sql: String

    /// `name`: 1 to 63 bytes, and only one text a name. Running a second text under the same name on the same connection
    /// throws `invalidStatement`.
    public init(_ name: String, _ sql: String) {
        self.name = name
        self.sql = sql
    }

    /// What the server is told that the parameters are, in order.
    public static var parameterTypes: [PostgresType] {
        var types: [PostgresType] = []
        repeat types.append((each Parameter).postgresType)
        return types
    }
    public var parameterTypes: [PostgresType] { Self.parameterTypes }

    /// What the result's columns must be, in order.
    public static var columnTypes: [PostgresType] { Row.columnTypes }
    public var columnTypes: [PostgresType] { Row.columnTypes }

    /// Binds the parameters. One that has no PostgreSQL form, such as text with a NUL, makes the call fail with
    /// `encoding` when it is run, before anything is sent.
    public func callAsFunction(_ parameters: repeat each Parameter) -> Call<Row> {
        var encoder = ParameterEncoder()
        repeat encoder.append(each parameters)
        return Call(
            bound: BoundStatement(
                name: name,
                sql: sql,
                types: Self.parameterTypes,
                values: encoder.values,
                failure: encoder.failure?.naming(statement: name)
            )
        )
    }
}

/// A statement with its parameters, ready to run, once or many times.
public struct Call<Row: RowDecodable>: Sendable {
    let bound: BoundStatement

    public var statementName: String { bound.name }
}

/// What the connection needs to know of a call: no Swift types are left in it.
struct BoundStatement: Sendable {
    let name: String
    let sql: String
    let types: [PostgresType]
    /// nil is NULL.
    let values: [[UInt8]?]
    /// Why a parameter could not be encoded.
    let failure: PostgresError?
}

private struct ParameterEncoder {
    var values: [[UInt8]?] = []
    var failure: PostgresError?

    /// PostgreSQL's own limit for a value.
    private static let bytesMax = 1 << 30

    mutating func append(_ parameter: some PostgresEncodable) {
        guard !parameter.isPostgresNull else { return values.append(nil) }
        var buffer: [UInt8] = []
        do throws(PostgresError) {
            try parameter.encode(into: &buffer)
            guard buffer.count <= Self.bytesMax else { throw .encoding("more than 1 GiB") }
        } catch {
            failure =
                failure ?? PostgresError(.encoding, "parameter $\(values.count + 1): \(error.reason ?? "no reason")")
        }
        values.append(buffer)
    }
}
