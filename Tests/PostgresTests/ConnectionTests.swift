/// Opening, losing and closing a session, and many of them at once.
import Postgres
import Support
import Synchronization
import Testing

@Suite(.database(.empty)) struct ConnectionTests {
    @Test("An open connection knows its server and its session")
    func open() async throws {
        let connection = try await TestDatabase.current.connect()
        let process = Statement<Single<Int32>>("process", "SELECT pg_backend_pid()")
        #expect(try await connection.run(process()) == [Single(connection.backendProcessID)])
        #expect(await connection.serverVersion >= 150_000)
        #expect(await connection.isUsable)
    }

    @Test("A server that cannot be reached is named with libpq's reason and without the password")
    func unreachable() async throws {
        let server = try await TestServer.url
        let refused = "postgresql://worker:c4nary@127.0.0.1:1/embark"
        let unknown = server.replacing("postgres@", with: "nobody_here:c4nary@")
        let missing = server + "_missing?password=c4nary"
        let table = [
            (refused, ["127.0.0.1:1/embark as worker", "Connection refused"]),
            (unknown, ["as nobody_here", "role \"nobody_here\" does not exist"]),
            (missing, ["/postgres_missing as postgres", "database \"postgres_missing\" does not exist"]),
            ("host=/nowhere dbname=embark password=c4nary", ["/nowhere:5432/embark", "No such file or directory"]),
        ]
        for (url, words) in table {
            let options = try ConnectionOptions(url, applicationName: "tests")
            let error = try await failure { () throws(PostgresError) in try await Connection.open(options) }
            #expect(error.kind == .unreachable)
            #expect(error.isConnectionLoss)
            for word in words { #expect(error.description.contains(word)) }
            #expect(!error.description.contains("c4nary"))
            #expect(!error.description.contains { $0.isNewline || $0 == "\t" })
        }
    }

    @Test("A server that accepts and then says nothing is given up after the time to connect")
    func silentServer() async throws {
        try await withSilentServer { options in
            var options = options
            options.connectTimeout = .milliseconds(300)
            let (error, time) = try await timed {
                try await failure { () throws(PostgresError) in try await Connection.open(options) }
            }
            #expect(error.kind == .unreachable)
            #expect(error.description.contains("no answer"))
            #expect(time >= .milliseconds(300) && time < .milliseconds(550))
        }
    }

    @Test("A cancelled task stops waiting for a connection at once")
    func cancelledOpen() async throws {
        try await withSilentServer { options in
            let begun = FirstSignal()
            let task = Task {
                begun.give()
                return try await failure { () throws(PostgresError) in try await Connection.open(options) }
            }
            await begun.wait()
            let (error, time) = try await timed {
                task.cancel()
                return try await task.value
            }
            #expect(error.kind == .cancelled)
            #expect(time < .milliseconds(250))
        }
    }

    @Test("Of several hosts the first that fits is taken")
    func severalHosts() async throws {
        let url = TestDatabase.current.url
        let address = try #require(url.firstMatch(of: #/@([^\/]+)\//#)?.output.1)
        let two = url.replacing(address, with: "127.0.0.1:1,\(address)") + "?target_session_attrs=read-write"
        let connection = try await Connection.open(ConnectionOptions(two, applicationName: "tests"))
        #expect(try await connection.run(Sample.one()) == [Single(1)])
        let standby = two.replacing("read-write", with: "standby")
        let error = try await failure { () throws(PostgresError) in
            try await Connection.open(ConnectionOptions(standby, applicationName: "tests"))
        }
        #expect(error.kind == .unreachable)
    }

    @Test("A session that the server ends during a call is lost, and so is the connection")
    func killedDuringCall() async throws {
        let connection = try await TestDatabase.current.connect()
        let other = try await TestDatabase.current.connect()
        async let result = failure { () throws(PostgresError) in try await connection.run(Sample.sleep(60)) }
        try await eventually("the statement runs") { try await other.run(Sample.active("%pg_sleep%")) == [Single(1)] }
        _ = try await other.run(Sample.terminate(connection.backendProcessID))
        let error = try await result
        #expect(error.kind == .connectionLost)
        #expect(error.sqlState == "57P01")
        #expect(error.isConnectionLoss)
        #expect(error.description == "sleep: the connection was lost, 57P01 admin_shutdown")
        #expect(await !connection.isUsable)
        let next = try await failure { () throws(PostgresError) in try await connection.run(Sample.one()) }
        #expect(next.kind == .closed)
    }

    @Test("A session that the server ends between two calls is noticed without a call")
    func killedBetweenCalls() async throws {
        let connection = try await TestDatabase.current.connect()
        let other = try await TestDatabase.current.connect()
        _ = try await other.run(Sample.terminate(connection.backendProcessID))
        try await eventually("the loss is noticed") { await !connection.isUsable }
    }

    @Test("The server's farewell is enough: its hanging up need not arrive")
    func farewell() async throws {
        let other = try await TestDatabase.current.connect()
        try await withProxy { proxy, connection in
            proxy.holdHangUps()
            _ = try await other.run(Sample.terminate(connection.backendProcessID))
            try await eventually("the loss is noticed") { await !connection.isUsable }
        }
    }

    @Test("What committed before a loss is reported as committed")
    func lossDuringBatch() async throws {
        let connection = try await TestDatabase.current.connect()
        let other = try await TestDatabase.current.connect()
        try await connection.script("CREATE TABLE number (value integer)")
        let slowInsert = Statement<NoRow, Int32, Double>(
            "slow_insert",
            "INSERT INTO number SELECT $1 FROM (SELECT pg_sleep($2)) AS pause"
        )
        async let results = connection.each([slowInsert(1, 0), slowInsert(2, 60), slowInsert(3, 0)])
        try await eventually("the first has committed") { try await other.run(Sample.numbers()) == [Single(1)] }
        _ = try await other.run(Sample.terminate(connection.backendProcessID))
        let outcomes = await results
        #expect(throws: Never.self) { try outcomes[0].get() }
        for outcome in outcomes.dropFirst() {
            #expect { try outcome.get() } throws: { ($0 as? PostgresError)?.kind == .connectionLost }
        }
    }

    @Test("A closed connection says so")
    func closed() async throws {
        let connection = try await TestDatabase.current.connect()
        await connection.close()
        #expect(await !connection.isUsable)
        let error = try await failure { () throws(PostgresError) in try await connection.run(Sample.one()) }
        #expect(error.kind == .closed)
        #expect(error.description == "one: the connection is closed")
        let script = try await failure { () throws(PostgresError) in try await connection.script("SELECT 1") }
        #expect(script.kind == .closed)
    }

    @Test("A connection that nobody holds any more ends its session")
    func released() async throws {
        let other = try await TestDatabase.current.connect()
        var connection: Connection? = try await TestDatabase.current.connect()
        let process = try #require(connection).backendProcessID
        let alive = Statement<Single<Int64>, Int32>("alive", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1")
        #expect(try await other.run(alive(process)) == [Single(1)])
        connection = nil
        try await eventually("the session has ended") { try await other.run(alive(process)) == [Single(0)] }
    }

    @Test("Calls on one connection from many tasks run one after the other")
    func manyCallers() async throws {
        let connection = try await TestDatabase.current.connect()
        let echo = Statement<Single<Int64>, Int64>("echo", "SELECT $1")
        try await withThrowingTaskGroup { group in
            for number in 0..<200 as Range<Int64> {
                group.addTask {
                    let rows = try await connection.run(echo(number))
                    #expect(rows == [Single(number)])
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("Connections that wait for the server do not hold up the rest of the program")
    func blockedThreads() async throws {
        let connections = try await withThrowingTaskGroup { group in
            let database = TestDatabase.current
            for _ in 0..<16 { group.addTask { try await database.connect() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let (turns, time) = try await timed {
            try await withThrowingTaskGroup { group in
                for connection in connections {
                    group.addTask { _ = try await connection.run(Sample.sleep(0.3)) }
                }
                let spinner = Task { await turnsUntilCancelled() }
                try await group.waitForAll()
                spinner.cancel()
                return await spinner.value
            }
        }
        // One after the other they would take 4.8 s. A pool with all its threads blocked would take no turn.
        #expect(time >= .milliseconds(300) && time < .seconds(2))
        #expect(turns > 1000)
    }

    @concurrent private func turnsUntilCancelled() async -> Int {
        var turns = 0
        while !Task.isCancelled {
            turns += 1
            await Task.yield()
        }
        return turns
    }

    /// Lets `body` try to connect to a proxy that does not forward.
    private func withSilentServer(_ body: (ConnectionOptions) async throws -> Void) async throws {
        let proxy = try TCPProxy(to: 1)
        proxy.freeze()
        let url = try proxy.url(for: TestDatabase.current.url)
        do {
            try await body(ConnectionOptions(url, applicationName: "tests"))
            proxy.close()
        } catch {
            proxy.close()
            throw error
        }
    }
}
