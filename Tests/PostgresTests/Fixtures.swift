import Support
import Testing

/// Small things that several suites of these tests need.
@testable import Postgres

/// Statements that tests run on any database.
enum Sample {
    static let one = Statement<Single<Int32>>("one", "SELECT 1")
    static let sleep = Statement<NoRow, Double>("sleep", "SELECT pg_sleep($1)")
    static let insert = Statement<NoRow, Int32>("insert", "INSERT INTO number (value) VALUES ($1)")
    static let numbers = Statement<Single<Int32>>("numbers", "SELECT value FROM number ORDER BY value")
    static let terminate = Statement<Single<Bool>, Int32>("terminate", "SELECT pg_terminate_backend($1)")
    /// How many sessions of this database run a statement like the parameter.
    static let active = Statement<Single<Int64>, String>(
        "active",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE $1"
    )

    /// A database with the table `number`, whose values are unique and positive.
    static let template = Template("number") { connection in
        try await connection.script("CREATE TABLE number (value integer PRIMARY KEY, CHECK (value > 0))")
    }
}

/// Runs `body`, which must throw, and returns the error.
func failure<Value>(
    _ body: () async throws(PostgresError) -> Value,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws -> PostgresError {
    do throws(PostgresError) {
        _ = try await body()
    } catch {
        return error
    }
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    throw SupportError("nothing was thrown")
}

/// A connection to the test's database that goes through a proxy.
func withProxy(_ body: (TCPProxy, Connection) async throws -> Void) async throws {
    let url = TestDatabase.current.url
    let port = try #require(url.firstMatch(of: #/:([0-9]+)\//#)?.output.1)
    let proxy = try TCPProxy(to: #require(UInt16(port)))
    do {
        try await body(proxy, Connection.open(ConnectionOptions(proxy.url(for: url), applicationName: "tests")))
        proxy.close()
    } catch {
        proxy.close()
        throw error
    }
}

/// What `body` returns, and how long it took.
func timed<Value>(_ body: () async throws -> Value) async rethrows -> (Value, Duration) {
    let start = ContinuousClock.now
    return (try await body(), ContinuousClock.now - start)
}
