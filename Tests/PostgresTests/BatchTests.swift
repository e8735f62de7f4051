/// Several calls in one round trip: all or nothing, or each for itself.
import Postgres
import Support
import Testing

@Suite(.database(Sample.template)) struct BatchTests {
    @Test("Calls run atomically return their rows, each with its own type")
    func atomicRows() async throws {
        let connection = try await TestDatabase.current.connect()
        let text = Statement<Single<String>, String>("text", "SELECT $1")
        let (none, rows, words) = try await connection.atomically(Sample.insert(1), Sample.numbers(), text("word"))
        #expect(none == [])
        #expect(rows == [Single(1)])
        #expect(words == [Single("word")])
    }

    @Test("The first error of calls run atomically rolls all of them back", arguments: [1, -1] as [Int32])
    func atomicRollback(bad: Int32) async throws {
        let connection = try await TestDatabase.current.connect()
        _ = try await connection.run(Sample.insert(1))
        for _ in 0..<2 {
            let error = try await failure { () throws(PostgresError) in
                _ = try await connection.atomically(Sample.insert(2), Sample.insert(bad), Sample.insert(3))
            }
            #expect(error.sqlState == (bad == 1 ? "23505" : "23514"))
            #expect(error.statementName == "insert")
            #expect(try await connection.run(Sample.numbers()) == [Single(1)])
        }
    }

    @Test("A statement that cannot be prepared rolls back what came before it")
    func atomicPreparation() async throws {
        let connection = try await TestDatabase.current.connect()
        let broken = Statement<NoRow>("broken", "SELECT FROM missing")
        let error = try await failure { () throws(PostgresError) in
            _ = try await connection.atomically(Sample.insert(1), broken(), Sample.insert(2))
        }
        #expect(error.sqlState == "42P01")
        #expect(error.statementName == "broken")
        #expect(try await connection.run(Sample.numbers()) == [])
    }

    @Test("A parameter that cannot be encoded keeps the whole transaction from being sent")
    func atomicEncoding() async throws {
        let connection = try await TestDatabase.current.connect()
        let text = Statement<NoRow, String>("text", "SELECT")
        let error = try await failure { () throws(PostgresError) in
            _ = try await connection.atomically(Sample.insert(1), text("\0"))
        }
        #expect(error.kind == .encoding)
        #expect(try await connection.run(Sample.numbers()) == [])
    }

    @Test("Each call on its own commits whatever becomes of the others")
    func each() async throws {
        let connection = try await TestDatabase.current.connect()
        let results = await connection.each([1, 2, 2, -1, 3].map { Sample.insert($0) })
        #expect(results.map(\.sqlState) == [nil, nil, "23505", "23514", nil])
        #expect(try await connection.run(Sample.numbers()) == [Single(1), Single(2), Single(3)])
    }

    @Test("Of calls on their own, one that cannot be encoded or prepared fails alone")
    func eachRefusal() async throws {
        let connection = try await TestDatabase.current.connect()
        let text = Statement<Single<String>, String>("text", "SELECT $1")
        let results = await connection.each([text("a"), text("\0"), text("b")])
        #expect(try results[0].get() == [Single("a")])
        #expect(results[1].error?.kind == .encoding)
        #expect(try results[2].get() == [Single("b")])
        let broken = Statement<NoRow>("broken", "SELECT FROM missing")
        let failures = await connection.each([broken(), broken()])
        #expect(failures.map(\.sqlState) == ["42P01", "42P01"])
        #expect(await connection.each([Call<NoRow>]()).isEmpty)
    }

    @Test("An error at the commit is the call's error")
    func deferredConstraint() async throws {
        let connection = try await TestDatabase.current.connect()
        try await connection.script("CREATE TABLE late (value integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        let insert = Statement<Single<Int32>, Int32>("insert_late", "INSERT INTO late VALUES ($1) RETURNING value")
        let results = await connection.each([1, 1, 2].map { insert($0) })
        #expect(results.map(\.sqlState) == [nil, "23505", nil])
        let error = try await failure { () throws(PostgresError) in try await connection.run(insert(2)) }
        #expect(error.isUniqueViolation)
        let atomic = try await failure { () throws(PostgresError) in
            _ = try await connection.atomically(insert(3), insert(3), Sample.one())
        }
        #expect(atomic.isUniqueViolation)
        let count = Statement<Single<Int64>>("count", "SELECT count(*) FROM late")
        #expect(try await connection.run(count()) == [Single(2)])
    }

    @Test("A batch larger than all buffers goes through")
    func large() async throws {
        let connection = try await TestDatabase.current.connect()
        let bytes = [UInt8](repeating: 7, count: 100_000)
        let echo = Statement<Single<[UInt8]>, [UInt8]>("echo", "SELECT $1")
        let results = await connection.each(Array(repeating: echo(bytes), count: 300), deadline: .seconds(60))
        #expect(results.count == 300)
        #expect(try results.allSatisfy { try $0.get() == [Single(bytes)] })
    }

    @Test("A script runs its statements as one transaction and says where it failed")
    func script() async throws {
        let connection = try await TestDatabase.current.connect()
        try await connection.script(
            "INSERT INTO number VALUES (1); INSERT INTO number VALUES (2); SELECT * FROM number"
        )
        let error = try await failure { () throws(PostgresError) in
            try await connection.script("INSERT INTO number VALUES (3); SELECT * FROM missing")
        }
        #expect(error.description == "42P01 undefined_table, at character 46")
        #expect(try await connection.run(Sample.numbers()) == [Single(1), Single(2)])
        let nul = try await failure { () throws(PostgresError) in try await connection.script("SELECT 1; \0 SELECT 2") }
        #expect(nul.kind == .invalidStatement)
        try await connection.script("")
    }
}

extension Result where Failure == PostgresError {
    fileprivate var error: PostgresError? {
        switch self {
        case .success: nil
        case .failure(let error): error
        }
    }
    fileprivate var sqlState: String? { error?.sqlState }
}
