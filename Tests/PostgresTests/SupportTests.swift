/// The tools of these tests do what the tests believe.
import Postgres
import Support
import Testing

@Suite(.database(Sample.template)) struct SupportTests {
    @Test("Each case of a test has a database of its own", arguments: 0..<3)
    func ownDatabase(number: Int) async throws {
        let connection = try await TestDatabase.current.connect()
        #expect(try await connection.run(Sample.numbers()).isEmpty)
        _ = try await connection.run(Sample.insert(1))
        #expect(TestDatabase.current.url.contains(TestDatabase.current.name))
    }

    @Test("A test's own template takes the place of its suite's", .database(.empty))
    func innerTemplate() async throws {
        let connection = try await TestDatabase.current.connect()
        let error = try await failure { () throws(PostgresError) in try await connection.run(Sample.numbers()) }
        #expect(error.sqlState == "42P01")
    }

    @Test("A database is dropped at the end, whatever its test has left behind")
    func dropped() async throws {
        var name = ""
        await #expect(throws: SupportError.self) {
            try await TestDatabase.with(.empty) {
                name = TestDatabase.current.name
                let connection = try await TestDatabase.current.connect()
                try await connection.script("BEGIN")
                throw SupportError("the test fails")
            }
        }
        let databases = Statement<Single<Int64>, String>(
            "databases",
            "SELECT count(*) FROM pg_database WHERE datname = $1"
        )
        #expect(!name.isEmpty)
        let connection = try await TestServer.connect()
        #expect(try await connection.run(databases(name)) == [Single(0)])
        await connection.close()
    }

    @Test("Waiting for what never comes ends at the limit")
    func limit() async throws {
        let (_, time) = await timed {
            await #expect(throws: SupportError.self) { try await eventually(within: .milliseconds(50)) { false } }
        }
        #expect(time >= .milliseconds(50) && time < .milliseconds(500))
    }
}
