/// How the tests of values send a value to the server and look at what comes back.
import Postgres
import Support
import Testing

/// What the server makes of a value that it only hands back.
func echo<Value: PostgresCodable>(_ value: Value) async throws -> Value {
    try await echo([value])[0]
}

private func echo<Value: PostgresCodable>(_ values: [Value]) async throws -> [Value] {
    let connection = try await TestDatabase.current.connect()
    let echo = Statement<Single<Value>, Value>("echo", "SELECT $1 AS given")
    return try await connection.each(values.map { echo($0) }).map { try #require(try $0.get().first).value }
}

func expectRoundTrips<Value: PostgresCodable & Equatable>(
    _ values: [Value],
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let back = try await echo(values)
    #expect(back == values, sourceLocation: sourceLocation)
}

/// The server's own text for each value.
func expectText<Value: PostgresEncodable>(
    _ table: [(Value, String)],
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let connection = try await TestDatabase.current.connect()
    let text = Statement<Single<String>, Value>("text", "SELECT $1::text")
    for (value, expected) in table {
        let shown = try await connection.run(text(value))
        #expect(shown.first?.value == expected, sourceLocation: sourceLocation)
    }
}

/// The value of an SQL expression.
func decoded<Value: PostgresCodable>(_ type: Value.Type, from expression: String) async throws -> Value {
    let connection = try await TestDatabase.current.connect()
    let value = Statement<Single<Value>>("value", "SELECT \(expression) AS given")
    return try #require(try await connection.run(value()).first).value
}

/// The error of reading an SQL expression as `type`. The connection must survive it.
func decodingFailure<Value: PostgresCodable>(
    _ type: Value.Type,
    from expression: String,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws -> PostgresError {
    let connection = try await TestDatabase.current.connect()
    let value = Statement<Single<Value>>("value", "SELECT \(expression) AS given")
    let error = try await failure(
        { () throws(PostgresError) in try await connection.run(value()) },
        sourceLocation: sourceLocation
    )
    #expect(await connection.isUsable, sourceLocation: sourceLocation)
    return error
}
