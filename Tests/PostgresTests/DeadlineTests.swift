/// No call takes longer than its deadline and what the server is given to confirm that it has stopped.
import Postgres
import Support
import Testing

@Suite(.database(Sample.template), .serialized) struct DeadlineTests {
    /// What may be added to a deadline. scripts/test lets no other target's tests run beside these.
    private static let tolerance = Duration.milliseconds(250)

    @Test("A hung statement ends at its deadline and leaves the connection usable")
    func hungStatement() async throws {
        let connection = try await TestDatabase.current.connect()
        for _ in 0..<3 {
            let (error, time) = try await timed {
                try await failure { () throws(PostgresError) in
                    try await connection.run(Sample.sleep(60), deadline: .milliseconds(200))
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(error.sqlState == "57014")
            #expect(error.statementName == "sleep")
            #expect(time >= .milliseconds(200) && time < .milliseconds(200) + Self.tolerance)
            #expect(try await connection.run(Sample.one()) == [Single(1)])
        }
        #expect(await connection.isUsable)
    }

    @Test("A hung script and a hung description end at their deadlines as well")
    func hungScript() async throws {
        let connection = try await TestDatabase.current.connect()
        let script = try await failure { () throws(PostgresError) in
            try await connection.script("SELECT pg_sleep(60)", deadline: .milliseconds(50))
        }
        #expect(script.kind == .deadlineExceeded)
        let blocker = try await TestDatabase.current.connect()
        try await blocker.script("BEGIN; LOCK TABLE number IN ACCESS EXCLUSIVE MODE")
        let describe = try await failure { () throws(PostgresError) in
            _ = try await connection.describe("SELECT value FROM number", deadline: .milliseconds(50))
        }
        #expect(describe.kind == .deadlineExceeded)
        #expect(await connection.isUsable)
    }

    @Test("Of a batch that runs late, what committed before is known and the rest is stopped")
    func hungBatch() async throws {
        let connection = try await TestDatabase.current.connect()
        let slowInsert = Statement<NoRow, Int32, Double>(
            "slow_insert",
            "INSERT INTO number SELECT $1 FROM (SELECT pg_sleep($2)) AS pause"
        )
        let calls = [slowInsert(1, 0), slowInsert(2, 60), slowInsert(3, 60), slowInsert(4, 60)]
        let (results, time) = await timed { await connection.each(calls, deadline: .milliseconds(200)) }
        #expect(time < .milliseconds(200) + .seconds(1) + Self.tolerance)
        #expect(results.map { $0.kind } == [nil, .deadlineExceeded, .deadlineExceeded, .deadlineExceeded])
        #expect(await connection.isUsable)
        let other = try await TestDatabase.current.connect()
        #expect(try await other.run(Sample.numbers()) == [Single(1)])
    }

    @Test("A deadline that has passed sends nothing", arguments: [Duration.zero, .seconds(-1)])
    func passedDeadline(deadline: Duration) async throws {
        let connection = try await TestDatabase.current.connect()
        let error = try await failure { () throws(PostgresError) in
            try await connection.run(Sample.insert(1), deadline: deadline)
        }
        #expect(error.kind == .deadlineExceeded)
        #expect(try await connection.run(Sample.numbers()).isEmpty)
    }

    @Test("A deadline beyond all time is no deadline")
    func farDeadline() async throws {
        let connection = try await TestDatabase.current.connect()
        #expect(try await connection.run(Sample.one(), deadline: .seconds(Int64.max)) == [Single(1)])
        let pool = try Pool(TestDatabase.current.options, size: 1)
        #expect(try await pool.run(Sample.one(), deadline: .seconds(Int64.max)) == [Single(1)])
        await pool.close()
    }

    @Test("A request to stop one call never stops the next")
    func noStrayCancel() async throws {
        let connection = try await TestDatabase.current.connect()
        let echo = Statement<Single<Int64>, Int64>("echo", "SELECT $1")
        var late = 0
        for round in 0..<400 as Range<Int64> {
            // From deadlines that pass before the statement begins to some that pass after it has ended.
            let deadline = Duration.microseconds(50 * (round % 80))
            do throws(PostgresError) {
                _ = try await connection.run(Sample.sleep(0.002), deadline: deadline)
            } catch {
                #expect(error.kind == .deadlineExceeded)
                late += 1
            }
            #expect(try await connection.run(echo(round)) == [Single(round)])
        }
        #expect((1..<400).contains(late))
        #expect(await connection.isUsable)
    }

    @Test("A half-open network is given up a second after the deadline, and so is the connection")
    func halfOpen() async throws {
        try await withProxy { proxy, connection in
            _ = try await connection.run(Sample.one())
            proxy.freeze()
            let (error, time) = try await timed {
                try await failure { () throws(PostgresError) in
                    try await connection.run(Sample.one(), deadline: .milliseconds(200))
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(time >= .milliseconds(1200) && time < .milliseconds(1200) + Self.tolerance)
            #expect(await !connection.isUsable)
            let next = try await failure { () throws(PostgresError) in try await connection.run(Sample.one()) }
            #expect(next.kind == .closed)
        }
    }

    @Test("A result that arrives within the second after the deadline is returned")
    func lateResult() async throws {
        try await withProxy { proxy, connection in
            _ = try await connection.run(Sample.one())
            proxy.freezeAnswers()
            async let result = connection.run(Sample.insert(1), deadline: .milliseconds(100))
            try await eventually("the server is asked to stop") { proxy.connectionCount == 2 }
            proxy.thaw()
            #expect(try await result.isEmpty)
            #expect(await connection.isUsable)
            #expect(try await connection.run(Sample.numbers()) == [Single(1)])
        }
    }

    @Test("A cancelled task ends its call at once and leaves the connection usable")
    func cancellation() async throws {
        let connection = try await TestDatabase.current.connect()
        let other = try await TestDatabase.current.connect()
        for _ in 0..<3 {
            let task = Task {
                try await failure { () throws(PostgresError) in try await connection.run(Sample.sleep(60)) }
            }
            try await eventually("the statement runs") {
                try await other.run(Sample.active("%pg_sleep%")).first?.value == 1
            }
            let (error, time) = try await timed {
                task.cancel()
                return try await task.value
            }
            #expect(error.kind == .cancelled)
            #expect(time < Self.tolerance)
            #expect(try await connection.run(Sample.one()) == [Single(1)])
        }
    }

    @Test("A call of a task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        let connection = try await TestDatabase.current.connect()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await failure { () throws(PostgresError) in try await connection.run(Sample.insert(1)) }
        }
        #expect(try await task.value.kind == .cancelled)
        #expect(try await connection.run(Sample.numbers()).isEmpty)
    }

    @Test("A statement that somebody else cancels is the server's error, not a deadline")
    func cancelledByOther() async throws {
        let connection = try await TestDatabase.current.connect()
        let error = try await failure { () throws(PostgresError) in
            try await connection.script("SET statement_timeout = 50; SELECT pg_sleep(60)")
        }
        #expect(error.kind == .server)
        #expect(error.sqlState == "57014")
    }

}

extension Result where Failure == PostgresError {
    fileprivate var kind: PostgresError.Kind? {
        switch self {
        case .success: nil
        case .failure(let error): error.kind
        }
    }
}
