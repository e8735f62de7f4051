/// From a result to typed rows: columns are read by position and checked by type.
internal import CPostgres

/// A row of a result, as a Swift type.
public protocol RowDecodable: Sendable {
    /// The columns that the row has, in order. A result with other columns is refused before the first row is read.
    static var columnTypes: [PostgresType] { get }
    /// Reads the columns in order, each by one call of `next`.
    init(_ row: inout RowReader) throws(PostgresError)
}

/// For statements that return no rows, such as an INSERT without RETURNING. A call of a function that returns void has a
/// row without content.
public struct NoRow: RowDecodable, Equatable {
    public static var columnTypes: [PostgresType] { [] }
    public init(_ row: inout RowReader) throws(PostgresError) {}
}

/// A row of one column.
public struct Single<Value: PostgresDecodable>: RowDecodable {
    public let value: Value
    public init(_ value: Value) { self.value = value }
    public static var columnTypes: [PostgresType] { [Value.postgresType] }
    public init(_ row: inout RowReader) throws(PostgresError) { value = try row.next() }
}

extension Single: Equatable where Value: Equatable {}

/// Gives the columns of one row from left to right.
public struct RowReader: ~Copyable {
    fileprivate let result: QueryResult
    fileprivate let row: Int32
    fileprivate var column: Int32 = 0

    init(_ result: QueryResult, row: Int32) {
        self.result = result
        self.row = row
    }

    /// The next column. Throws `decoding`, naming the column, for a value that the type cannot hold, for NULL where the
    /// type is not optional, for a column of another type, and when no column is left.
    public mutating func next<Value: PostgresDecodable>(_ type: Value.Type = Value.self) throws(PostgresError) -> Value
    {
        guard column < result.columnCount else { throw .decoding("a row has no column \(column + 1)") }
        let column = column
        self.column += 1
        do throws(PostgresError) {
            let actual = result.type(of: column)
            guard Value.postgresType.reads(actual) else {
                throw PostgresError.decoding("\(actual) where \(Value.postgresType) was expected")
            }
            if let bytes = result.bytes(row: row, column: column) { return try Value(postgresBytes: bytes) }
            guard let null = Value.postgresNull else { throw PostgresError.decoding("NULL where a value was expected") }
            return null
        } catch {
            var located = error
            located.columnName = result.name(of: column)
            throw located
        }
    }
}

extension RowReader {
    /// The next column's bytes, nil for NULL.
    mutating func nextBytes(of type: PostgresType) throws(PostgresError) -> UnsafeRawBufferPointer? {
        guard column < result.columnCount else { throw .decoding("a row has no column \(column + 1)") }
        column += 1
        let actual = result.type(of: column - 1)
        guard type.reads(actual) else { throw located(.decoding("\(actual) where \(type) was expected")) }
        return result.bytes(row: row, column: column - 1)
    }

    /// The error, with the name of the column that was read last.
    func located(_ error: PostgresError) -> PostgresError {
        var located = error
        located.columnName = result.name(of: column - 1)
        return located
    }
}

/// The rows that one statement returned. Immutable once libpq has handed it over, and libpq allows any thread to read
/// it: hence `@unchecked Sendable`.
final class QueryResult: @unchecked Sendable {
    let result: OpaquePointer

    /// Takes over the result and clears it at the end.
    init(taking result: OpaquePointer) { self.result = result }
    deinit { PQclear(result) }

    var status: ExecStatusType { PQresultStatus(result) }
    /// A part of the server's error report, by its letter in the protocol.
    func field(_ letter: Unicode.Scalar) -> String? {
        PQresultErrorField(result, Int32(letter.value)).map { String(cString: $0) }
    }

    var columnCount: Int32 { PQnfields(result) }
    func name(of column: Int32) -> String { PQfname(result, column).map { String(cString: $0) } ?? "?" }
    func type(of column: Int32) -> PostgresType { PostgresType(oid: PQftype(result, column)) }

    /// Of a description of a statement.
    var parameterTypes: [PostgresType] { (0..<PQnparams(result)).map { PostgresType(oid: PQparamtype(result, $0)) } }

    /// nil for NULL. Valid as long as the result.
    func bytes(row: Int32, column: Int32) -> UnsafeRawBufferPointer? {
        guard PQgetisnull(result, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(result, row, column),
            count: Int(PQgetlength(result, row, column))
        )
    }

    /// Throws `decoding` for columns that are not the row's.
    func rows<Row: RowDecodable>(of type: Row.Type) throws(PostgresError) -> [Row] {
        try checkColumns(against: Row.columnTypes)
        var rows: [Row] = []
        let count = PQntuples(result)
        rows.reserveCapacity(Int(count))
        for row in 0..<count {
            var reader = RowReader(self, row: row)
            rows.append(try Row(&reader))
        }
        return rows
    }

    private func checkColumns(against expected: [PostgresType]) throws(PostgresError) {
        let count = Int(columnCount)
        if expected.isEmpty, (0..<columnCount).allSatisfy({ type(of: $0) == .void }) { return }
        guard count == expected.count else {
            throw .decoding("the statement returns \(count) columns and the row has \(expected.count)")
        }
        for (column, expected) in zip(0..<columnCount, expected) where !expected.reads(type(of: column)) {
            var error = PostgresError.decoding("\(type(of: column)) where \(expected) was expected")
            error.columnName = name(of: column)
            throw error
        }
    }
}
