/// Notifications arrive, and the listener comes back whenever its session is lost.
import Postgres
import Support
import Testing

@Suite(.database(.empty)) struct ListenerTests {
    private static let notify = Statement<NoRow, String, String>("notify", "SELECT pg_notify($1, $2)")

    @Test("Notifications arrive in order, with their channel, payload and sender")
    func delivery() async throws {
        try await listening(to: ["work", "Odd \"name\""]) { log, sender in
            let long = String(repeating: "ä", count: 3999)
            for (channel, payload) in [("work", "1"), ("Odd \"name\"", ""), ("elsewhere", "lost"), ("work", long)] {
                _ = try await sender.run(Self.notify(channel, payload))
            }
            for (channel, payload) in [("work", "1"), ("Odd \"name\"", ""), ("work", long)] {
                guard case .notification(let heard, let said, let process) = try await log.next() else {
                    Issue.record("no notification")
                    return
                }
                #expect(heard == channel)
                #expect(said == payload)
                #expect(process == sender.backendProcessID)
            }
        }
    }

    @Test("A killed session is noticed at once and listens again within a second")
    func reconnection() async throws {
        try await listening(to: ["work"]) { log, sender in
            for round in 1...5 {
                let kill = Statement<Single<Bool>>(
                    "kill",
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'listener'
                    """
                )
                let (_, time) = try await timed {
                    #expect(try await sender.run(kill()) == [Single(true)])
                    guard case .disconnected(let error) = try await log.next() else {
                        Issue.record("no disconnection")
                        return
                    }
                    #expect(error.kind == .connectionLost)
                    guard case .listening = try await log.next() else {
                        Issue.record("not listening again")
                        return
                    }
                }
                #expect(time < .seconds(1))
                _ = try await sender.run(Self.notify("work", "\(round)"))
                guard case .notification(_, let payload, _) = try await log.next() else {
                    Issue.record("no notification")
                    return
                }
                #expect(payload == "\(round)")
            }
        }
    }

    @Test("A network that is half open is noticed although nobody says anything, and LISTEN comes back")
    func halfOpen() async throws {
        let url = TestDatabase.current.url
        let port = try #require(url.firstMatch(of: #/:([0-9]+)\//#).flatMap { UInt16($0.output.1) })
        let proxy = try TCPProxy(to: port)
        let log = EventLog()
        let listener = Listener(
            try ConnectionOptions(proxy.url(for: url), applicationName: "listener"),
            channels: ["work"]
        )
        let task = Task { await listener.run { log.append($0) } }
        guard case .listening = try await log.next() else {
            Issue.record("not listening")
            return
        }
        proxy.freeze()
        let (event, time) = try await timed { try await log.next(within: .seconds(20)) }
        guard case .disconnected(let error) = event else {
            Issue.record("\(event)")
            return
        }
        #expect(error.kind == .deadlineExceeded)
        #expect(time < .seconds(15))
        proxy.thaw()
        let back = ContinuousClock.now
        while true {
            if case .listening = try await log.next(within: .seconds(10)) { break }
        }
        #expect(.now - back < .seconds(8))
        task.cancel()
        await task.value
        proxy.close()
    }

    @Test("A cancelled task ends the listener at once and closes its session")
    func cancellation() async throws {
        let sender = try await TestDatabase.current.connect()
        let log = EventLog()
        let listener = try Listener(options(), channels: ["work"])
        let task = Task { await listener.run { log.append($0) } }
        guard case .listening = try await log.next() else {
            Issue.record("not listening")
            return
        }
        let (_, time) = await timed {
            task.cancel()
            await task.value
        }
        #expect(time < .milliseconds(250))
        let sessions = Statement<Single<Int64>>(
            "sessions",
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'listener'"
        )
        try await eventually("the session has ended") { try await sender.run(sessions()) == [Single(0)] }
    }

    @Test("A slow handler gets its events one by one and misses none")
    func backPressure() async throws {
        let sender = try await TestDatabase.current.connect()
        let (log, gate) = (EventLog(), FirstSignal())
        let listener = try Listener(options(), channels: ["work"])
        let task = Task {
            await listener.run { event in
                log.append(event)
                await gate.wait()
            }
        }
        _ = try await log.next()
        let numbers = (0..<2000).map(String.init)
        for result in await sender.each(numbers.map { Self.notify("work", $0) }) { _ = try result.get() }
        gate.give()
        for number in numbers {
            guard case .notification(_, number, _) = try await log.next() else {
                Issue.record("number \(number) is missing")
                break
            }
        }
        task.cancel()
        await task.value
    }

    @Test("What is to be done in each new session is done before it listens, and its failure is a lost session")
    func onConnect() async throws {
        let log = EventLog()
        let listener = try Listener(options(), channels: ["work"]) { connection throws(PostgresError) in
            try await connection.script("SELECT * FROM missing")
        }
        let task = Task { await listener.run { log.append($0) } }
        for _ in 0..<3 {
            guard case .disconnected(let error) = try await log.next() else {
                Issue.record("not disconnected")
                return
            }
            #expect(error.sqlState == "42P01")
        }
        task.cancel()
        await task.value
    }

    @Test("A listener keeps trying while the server is stopped and listens when it is back")
    func outage() async throws {
        try await PrivateServer.with { server in
            let log = EventLog()
            let listener = try Listener(ConnectionOptions(server.url, applicationName: "listener"), channels: ["work"])
            let task = Task { await listener.run { log.append($0) } }
            _ = try await log.next()
            try await server.stop(.immediate)
            var kinds: [PostgresError.Kind] = []
            while kinds.count < 3 {
                guard case .disconnected(let error) = try await log.next() else {
                    Issue.record("not disconnected")
                    return
                }
                kinds.append(error.kind)
            }
            #expect(kinds == [.connectionLost, .unreachable, .unreachable])
            try await server.start()
            let (_, time) = try await timed {
                while case .disconnected = try await log.next() {}
            }
            #expect(time < .seconds(2))
            task.cancel()
            await task.value
        }
    }

    private func options() throws -> ConnectionOptions {
        try ConnectionOptions(TestDatabase.current.url, applicationName: "listener")
    }

    /// Runs a listener that listens when `body` begins, and another session to notify it.
    private func listening(
        to channels: [String],
        _ body: (EventLog, Connection) async throws -> Void
    ) async throws {
        let sender = try await TestDatabase.current.connect()
        let log = EventLog()
        let listener = try Listener(options(), channels: channels)
        try await withThrowingTaskGroup { group in
            group.addTask { await listener.run { log.append($0) } }
            guard case .listening = try await log.next() else { throw SupportError("not listening") }
            try await body(log, sender)
            group.cancelAll()
        }
    }
}
