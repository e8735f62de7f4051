/// A pool lends connections in order, replaces what is lost, and outlives its server.
import Postgres
import Support
import Synchronization
import Testing

@Suite(.database(Sample.template)) struct PoolTests {
    private static let process = Statement<Single<Int32>>("process", "SELECT pg_backend_pid()")

    @Test("A pool opens a connection when it is first needed and uses it again")
    func reuse() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 3)
        let first = try await pool.run(Self.process())
        for _ in 0..<5 { #expect(try await pool.run(Self.process()) == first) }
        await pool.close()
    }

    @Test("Callers at the same time get at most as many connections as the pool has")
    func size() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 3)
        let usage = Usage()
        try await withThrowingTaskGroup { group in
            for _ in 0..<100 {
                group.addTask {
                    try await pool.withConnection { connection in
                        await usage.begin(connection.backendProcessID)
                        _ = try await connection.run(Sample.one())
                        await usage.end()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await usage.most <= 3)
        #expect(await usage.processes.count <= 3)
        try await pool.withConnection { first in
            try await pool.withConnection { second in
                try await pool.withConnection { third in
                    let processes = [first, second, third].map(\.backendProcessID)
                    #expect(Set(processes).count == 3)
                }
            }
        }
        await pool.close()
    }

    private actor Usage {
        private var now = 0
        private(set) var most = 0
        private(set) var processes: Set<Int32> = []

        func begin(_ process: Int32) {
            now += 1
            most = max(most, now)
            processes.insert(process)
        }

        func end() { now -= 1 }
    }

    @Test("A caller that finds no free connection gives up at its deadline, and the next one is served")
    func exhausted() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        try await pool.withConnection { _ in
            let (error, time) = try await timed {
                try await failure { () throws(PostgresError) in
                    try await pool.run(Sample.one(), deadline: .milliseconds(100))
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(time >= .milliseconds(100) && time < .milliseconds(350))
        }
        #expect(try await pool.run(Sample.one()) == [Single(1)])
        await pool.close()
    }

    @Test("A cancelled caller stops waiting, and its turn goes to the next")
    func cancelled() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        let (waiting, served) = try await pool.withConnection { _ in
            let begun = FirstSignal()
            let waiting = Task {
                begun.give()
                return try await failure { () throws(PostgresError) in try await pool.run(Sample.one()) }
            }
            let served = Task { try await pool.run(Sample.one()) }
            await begun.wait()
            waiting.cancel()
            let error = try await waiting.value
            #expect(error.kind == .cancelled)
            return (waiting, served)
        }
        #expect(waiting.isCancelled)
        #expect(try await served.value == [Single(1)])
        await pool.close()
    }

    @Test("No place is lost among callers that give up")
    func impatientCallers() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 2)
        _ = try await pool.run(Sample.one())
        let outcomes = try await withThrowingTaskGroup { group in
            for round in 0..<200 {
                group.addTask {
                    do throws(PostgresError) {
                        _ = try await pool.run(Sample.one(), deadline: .microseconds(100 * (round)))
                        return nil as PostgresError.Kind?
                    } catch {
                        return error.kind
                    }
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(outcomes.isSubset(of: [nil, .deadlineExceeded]))
        try await pool.withConnection { _ in
            let rows = try await pool.run(Sample.one())
            #expect(rows == [Single(1)])
        }
        await pool.close()
    }

    @Test("A connection that a caller leaves in a transaction is closed, and the transaction undone")
    func openTransaction() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        let first = try await pool.withConnection { connection in
            try await connection.script("BEGIN")
            _ = try await connection.run(Sample.insert(1))
            return connection.backendProcessID
        }
        #expect(try await pool.run(Sample.numbers()).isEmpty)
        #expect(try await pool.run(Self.process()) != [Single(first)])
        await pool.close()
    }

    @Test("An error of the body is thrown on, and the connection is free again")
    func bodyThrows() async throws {
        struct Unrelated: Error {}
        let pool = try Pool(TestDatabase.current.options, size: 1)
        await #expect(throws: Unrelated.self) { try await pool.withConnection { _ in throw Unrelated() } }
        #expect(try await pool.run(Sample.one()) == [Single(1)])
        await pool.close()
    }

    @Test("A killed idle session is replaced before anybody meets it")
    func killedIdle() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        let other = try await TestDatabase.current.connect()
        let first = try #require(try await pool.run(Self.process()).first)
        _ = try await other.run(Sample.terminate(first.value))
        try await eventually("the session has ended") {
            let alive = Statement<Single<Int64>, Int32>("alive", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1")
            return try await other.run(alive(first.value)) == [Single(0)]
        }
        #expect(try await pool.run(Self.process()) != [first])
        await pool.close()
    }

    @Test("A session killed during a call is that call's loss only")
    func killedBusy() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        let other = try await TestDatabase.current.connect()
        async let result = failure { () throws(PostgresError) in
            try await pool.run(Sample.sleep(60), deadline: .seconds(30))
        }
        try await eventually("the statement runs") { try await other.run(Sample.active("%pg_sleep%")) == [Single(1)] }
        let busy = Statement<Single<Int32>>(
            "busy",
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        _ = try await other.run(Sample.terminate(#require(try await other.run(busy()).first).value))
        #expect(try await result.kind == .connectionLost)
        #expect(try await pool.run(Sample.one()) == [Single(1)])
        await pool.close()
    }

    @Test("A closed pool refuses its callers, those that wait included")
    func close() async throws {
        let pool = try Pool(TestDatabase.current.options, size: 1)
        let begun = FirstSignal()
        let waiting = try await pool.withConnection { _ in
            let task = Task {
                begun.give()
                return try await failure { () throws(PostgresError) in try await pool.run(Sample.one()) }
            }
            await begun.wait()
            await pool.close()
            return task
        }
        #expect(try await waiting.value.kind == .closed)
        let late = try await failure { () throws(PostgresError) in try await pool.run(Sample.one()) }
        #expect(late.kind == .closed)
    }
}

@Suite(.serialized) struct PoolOutageTests {
    @Test("Callers wait for a stopped server until their deadline and then say why")
    func stoppedServer() async throws {
        try await PrivateServer.with { server in
            let pool = try Pool(ConnectionOptions(server.url, applicationName: "tests"), size: 2)
            #expect(try await pool.run(Sample.one()) == [Single(1)])
            try await server.stop(.immediate)
            let (errors, time) = try await timed {
                try await withThrowingTaskGroup { group in
                    for _ in 0..<5 {
                        group.addTask {
                            try await failure { () throws(PostgresError) in
                                try await pool.run(Sample.one(), deadline: .milliseconds(1500))
                            }
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
            }
            #expect(time >= .milliseconds(1500) && time < .milliseconds(1900))
            for error in errors {
                #expect(error.kind == .unreachable)
                #expect(error.description.contains("Connection refused"))
            }
            // Waiting since before the server is back, each caller is served within 2 s of its start.
            let waiting = Task { try await pool.run(Sample.one(), deadline: .seconds(30)) }
            try await server.start()
            let (rows, wait) = try await timed { try await waiting.value }
            #expect(rows == [Single(1)])
            #expect(wait < .seconds(2))
            await pool.close()
        }
    }

    private final class Count: Sendable { let value = Atomic(0) }

    @Test("A server that accepts and says nothing is an outage like any other")
    func silentServer() async throws {
        let proxy = try TCPProxy(to: 1)
        proxy.freeze()
        let options = try ConnectionOptions(
            "postgresql://worker@127.0.0.1:\(proxy.port)/embark",
            applicationName: "tests"
        )
        let pool = Pool(options, size: 1)
        for _ in 0..<2 {
            let (error, time) = try await timed {
                try await failure { () throws(PostgresError) in
                    try await pool.run(Sample.one(), deadline: .milliseconds(400))
                }
            }
            #expect(error.kind == .unreachable)
            #expect(time >= .milliseconds(400) && time < .milliseconds(650))
        }
        await pool.close()
        proxy.close()
    }

    @Test("However many wait, a stopped server is tried once in a backoff")
    func attempts() async throws {
        let proxy = try TCPProxy(to: 1)
        let draws = Count()
        let backoff = Backoff(floor: .milliseconds(100), base: .milliseconds(100), cap: .milliseconds(100)) {
            draws.value.add(1, ordering: .relaxed)
            return 0
        }
        let options = try ConnectionOptions(
            "postgresql://worker@127.0.0.1:\(proxy.port)/embark",
            applicationName: "tests"
        )
        let pool = Pool(options, size: 10, backoff: backoff)
        try await withThrowingTaskGroup { group in
            for _ in 0..<30 {
                group.addTask {
                    _ = try await failure { () throws(PostgresError) in
                        try await pool.run(Sample.one(), deadline: .seconds(1))
                    }
                }
            }
            try await group.waitForAll()
        }
        // All ten places try at once before the outage is known; after that an attempt draws twice, in 0.9 s nine times.
        #expect((10...35).contains(draws.value.load(ordering: .relaxed)))
        proxy.close()
    }
}
