/// The columns that nearly every row is made of. Without generics: across modules those look their types up at run time,
/// which made up most of what reading a claimed job cost.
extension RowReader {
    public mutating func next() throws(PostgresError) -> Bool { try scalar() }
    public mutating func next() throws(PostgresError) -> Int16 { try scalar() }
    public mutating func next() throws(PostgresError) -> Int32 { try scalar() }
    public mutating func next() throws(PostgresError) -> Int64 { try scalar() }
    public mutating func next() throws(PostgresError) -> Double { try scalar() }
    public mutating func next() throws(PostgresError) -> String { try scalar() }
    public mutating func next() throws(PostgresError) -> Int32? { try optional() }
    public mutating func next() throws(PostgresError) -> Int64? { try optional() }
    public mutating func next() throws(PostgresError) -> Double? { try optional() }
    public mutating func next() throws(PostgresError) -> String? { try optional() }
    public mutating func next() throws(PostgresError) -> [String]? { try optional() }

    @inline(__always)
    private mutating func scalar<Value: PostgresDecodable>() throws(PostgresError) -> Value {
        guard let value: Value = try optional() else { throw located(.decoding("NULL where a value was expected")) }
        return value
    }

    @inline(__always)
    private mutating func optional<Value: PostgresDecodable>() throws(PostgresError) -> Value? {
        guard let bytes = try nextBytes(of: Value.postgresType) else { return nil }
        do throws(PostgresError) {
            return try Value(postgresBytes: bytes)
        } catch {
            throw located(error)
        }
    }
}
