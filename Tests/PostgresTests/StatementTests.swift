/// Statements: types on both sides agree, and prepared ones stay usable.
import Postgres
import Support
import Testing

@Suite(.database(Sample.template)) struct StatementTests {
    @Test("A statement knows the types of its parameters and columns")
    func types() {
        let statement = Statement<Pair, Int16, String?, [Double], [[JSONText]], [UInt8], Timestamp, Duration>(
            "types",
            ""
        )
        #expect(statement.columnTypes == [.int8, .text])
        #expect(
            statement.parameterTypes.map(\.description) == [
                "smallint", "text", "double precision[]", "jsonb[]", "bytea", "timestamp with time zone", "interval",
            ]
        )
    }

    @Test("A row of another shape than the statement's columns is refused by the column's name")
    func columnMismatch() async throws {
        let connection = try await TestDatabase.current.connect()
        let table = [
            ("SELECT 1::bigint AS id, 2 AS label", "pair: integer where text was expected, column label"),
            ("SELECT 'x'::text AS id, 'y'::text AS label", "pair: text where bigint was expected, column id"),
            ("SELECT 1::bigint AS id, ARRAY['x'] AS label", "pair: text[] where text was expected, column label"),
            ("SELECT 1::bigint AS id", "pair: the statement returns 1 columns and the row has 2"),
            (
                "SELECT 1::bigint AS id, 'x' AS label, 3 AS more",
                "pair: the statement returns 3 columns and the row has 2"
            ),
            ("INSERT INTO number VALUES (9)", "pair: the statement returns 0 columns and the row has 2"),
        ]
        for (sql, expected) in table {
            let connection = try await TestDatabase.current.connect()
            let error = try await failure { () throws(PostgresError) in
                try await connection.run(Statement<Pair>("pair", sql)())
            }
            #expect(error.kind == .decoding)
            #expect(error.description == expected)
        }
        let surplus = try await failure { () throws(PostgresError) in
            try await connection.run(Statement<NoRow>("surplus", "SELECT 1")())
        }
        #expect(surplus.description == "surplus: the statement returns 1 columns and the row has 0")
    }

    @Test("A row that reads its columns as other types than it declares is refused by the column's name")
    func readerMismatch() async throws {
        let connection = try await TestDatabase.current.connect()
        let lying = try await failure { () throws(PostgresError) in
            try await connection.run(Statement<Lying>("lying", "SELECT 1::bigint AS id")())
        }
        #expect(lying.description == "lying: bigint where text was expected, column id")
        let greedy = try await failure { () throws(PostgresError) in
            try await connection.run(Statement<Greedy>("greedy", "SELECT 1::bigint AS id")())
        }
        #expect(greedy.description == "greedy: a row has no column 2")
    }

    @Test("A call of a function without a result needs no row")
    func void() async throws {
        let connection = try await TestDatabase.current.connect()
        let notify = Statement<NoRow>("notify", "SELECT pg_notify('a', 'b')")
        #expect(try await connection.run(notify()).count == 1)
    }

    @Test("A statement is prepared once a connection")
    func preparedOnce() async throws {
        let connection = try await TestDatabase.current.connect()
        let prepared = Statement<Single<Int64>>(
            "prepared",
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE name = 'one'"
        )
        for _ in 0..<3 { _ = try await connection.run(Sample.one()) }
        _ = await connection.each([Sample.one(), Sample.one()])
        #expect(try await connection.run(prepared()) == [Single(5)])
    }

    @Test("A statement survives a migration that changes its result, after one error")
    func changedResult() async throws {
        let connection = try await TestDatabase.current.connect()
        let all = Statement<Single<Int32>>("all", "SELECT * FROM changing")
        let allWider = Statement<Pair>("all", "SELECT * FROM changing")
        try await connection.script("CREATE TABLE changing (id integer)")
        #expect(try await connection.run(all()).isEmpty)
        try await connection.script("ALTER TABLE changing ALTER id TYPE bigint, ADD label text")
        let stale = try await failure { () throws(PostgresError) in try await connection.run(allWider()) }
        #expect(stale.sqlState == "0A000")
        #expect(try await connection.run(allWider()).isEmpty)
        try await connection.script("ALTER TABLE changing ADD more integer")
        let staleAgain = try await failure { () throws(PostgresError) in try await connection.run(allWider()) }
        #expect(staleAgain.sqlState == "0A000")
        let wide = try await failure { () throws(PostgresError) in try await connection.run(allWider()) }
        #expect(wide.description == "all: the statement returns 3 columns and the row has 2")
    }

    @Test("A statement that the session has discarded is prepared again, after one error")
    func discarded() async throws {
        let connection = try await TestDatabase.current.connect()
        _ = try await connection.run(Sample.one())
        try await connection.script("DISCARD ALL")
        let gone = try await failure { () throws(PostgresError) in try await connection.run(Sample.one()) }
        #expect(gone.sqlState == "26000")
        #expect(try await connection.run(Sample.one()) == [Single(1)])
    }

    @Test("A name that cannot be prepared is refused without harm")
    func names() async throws {
        let connection = try await TestDatabase.current.connect()
        _ = try await connection.run(Sample.one())
        let table = [
            (Statement<NoRow>("one", "SELECT 2"), "one: another text has this name on the same connection"),
            (Statement<NoRow>("", "SELECT 2"), ": the name of a statement has 1 to 63 bytes"),
            (Statement<NoRow>("a\0b", "SELECT 2"), "a\0b: a statement with a NUL"),
            (Statement<NoRow>("nul", "SELECT 2\0"), "nul: a statement with a NUL"),
        ]
        for (statement, expected) in table {
            let error = try await failure { () throws(PostgresError) in try await connection.run(statement()) }
            #expect(error.kind == .invalidStatement)
            #expect(error.description == expected)
        }
        let long = String(repeating: "n", count: 63)
        #expect(try await connection.run(Statement<Single<Int32>>(long, "SELECT 3")()) == [Single(3)])
        let longer = try await failure { () throws(PostgresError) in
            try await connection.run(Statement<Single<Int32>>(long + "n", "SELECT 3")())
        }
        #expect(longer.kind == .invalidStatement)
    }

    @Test("COPY is refused and closes the connection", arguments: ["COPY number TO STDOUT", "COPY number FROM STDIN"])
    func copy(sql: String) async throws {
        let connection = try await TestDatabase.current.connect()
        let error = try await failure { () throws(PostgresError) in try await connection.script(sql) }
        #expect(error.kind == .invalidStatement)
        #expect(await !connection.isUsable)
    }

    @Test("The server describes a statement that has not been run")
    func describe() async throws {
        let connection = try await TestDatabase.current.connect()
        let (parameters, columns) = try await connection.describe(
            "INSERT INTO number VALUES ($1) RETURNING value, $2::text[] AS words"
        )
        #expect(parameters.map(\.description) == ["integer", "text[]"])
        #expect(columns.map(\.name) == ["value", "words"])
        #expect(columns.map(\.type) == [.int4, .text.array])
        #expect(try await connection.run(Sample.numbers()).isEmpty)
        let error = try await failure { () throws(PostgresError) in
            _ = try await connection.describe("SELECT FROM missing")
        }
        #expect(error.sqlState == "42P01")
        #expect(try await connection.describe("DELETE FROM number").columns.isEmpty)
    }

    private struct Pair: RowDecodable {
        let id: Int64
        let label: String
        static var columnTypes: [PostgresType] { [.int8, .text] }
        init(_ row: inout RowReader) throws(PostgresError) {
            id = try row.next()
            label = try row.next()
        }
    }

    private struct Lying: RowDecodable {
        let id: String
        static var columnTypes: [PostgresType] { [.int8] }
        init(_ row: inout RowReader) throws(PostgresError) { id = try row.next() }
    }

    private struct Greedy: RowDecodable {
        let ids: [Int64]
        static var columnTypes: [PostgresType] { [.int8] }
        init(_ row: inout RowReader) throws(PostgresError) { ids = [try row.next(), try row.next()] }
    }
}
