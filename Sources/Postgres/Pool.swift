/// Some connections for many callers: opened when first needed, handed out in the order of asking, replaced when lost.

/// At most `size` connections. A caller waits for a free one, and for a server that cannot be reached, until its deadline.
/// After a failed attempt to connect the next one waits for a backoff of at most a second, whoever asks.
public actor Pool {
    public nonisolated let options: ConnectionOptions

    private let backoff: Backoff
    /// How many more callers may have a connection.
    private var places: Int
    private var idle: [Connection] = []
    private var waiting: [FirstAnswer<Turn>] = []
    private var isClosed = false
    private var outage: Outage?

    /// How a wait for a place ended.
    private enum Turn: Sendable {
        case granted
        case late
        case cancelled
        case closed
    }

    /// Since the last successful attempt to connect.
    private struct Outage {
        var failures: Int
        var lastError: PostgresError
        var nextAttempt: ContinuousClock.Instant
    }

    /// `size`: at least 1.
    public init(_ options: ConnectionOptions, size: Int, backoff: Backoff = Backoff()) {
        precondition(size > 0, "a pool has at least one connection")
        self.options = options
        self.backoff = backoff
        places = size
    }

    /// Runs one call on a connection of its own. The deadline includes the wait for a connection; once it has passed
    /// while the server could not be reached, the error is that of the last attempt to connect.
    public nonisolated func run<Row>(
        _ call: Call<Row>,
        deadline: Duration = .seconds(10)
    ) async throws(PostgresError) -> [Row] {
        let outcomes = try await perform([call.bound], until: .deadline(after: deadline))
        return try call.rows(from: outcomes[0])
    }

    /// Runs calls as one transaction in one round trip, on a connection of their own: see `Connection.atomically`.
    public nonisolated func atomically<each Row>(
        _ calls: repeat Call<each Row>,
        deadline: Duration = .seconds(10)
    ) async throws(PostgresError) -> (repeat [each Row]) {
        var statements: [BoundStatement] = []
        repeat statements.append((each calls).bound)
        var outcomes = try await perform(statements, until: .deadline(after: deadline))[...]
        for case .failure(let error) in outcomes { throw error }
        return (repeat try (each calls).rows(from: outcomes.removeFirst()))
    }

    /// Lends a connection to `body`. The deadline is for the wait only. A connection that `body` leaves in a transaction
    /// is closed, which rolls the transaction back. Other settings of the session stay as `body` leaves them.
    public nonisolated func withConnection<Value: Sendable>(
        deadline: Duration = .seconds(10),
        _ body: (Connection) async throws -> Value
    ) async throws -> Value {
        let connection = try await take(before: .deadline(after: deadline))
        do {
            let value = try await body(connection)
            await giveBack(connection)
            return value
        } catch {
            await giveBack(connection)
            throw error
        }
    }

    /// Closes the connections that nobody uses, and the others as they come back. Callers that wait get `closed`.
    public func close() async {
        isClosed = true
        let (idle, waiting) = (idle, waiting)
        self.idle = []
        self.waiting = []
        for turn in waiting { turn.offer(.closed) }
        for connection in idle { await connection.close() }
    }
}

extension Pool {
    /// One outcome for each statement, which are one transaction. What a connection says of itself before and after comes and
    /// goes with them: each way to its thread and back is two switches of threads, while the server waits.
    private func perform(
        _ statements: [BoundStatement],
        until limit: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Outcome] {
        try await takePlace(before: limit)
        defer { leavePlace() }
        while let connection = idle.popLast() {
            let turn = await connection.takeTurn(statements, until: limit)
            await keep(connection, isIdle: turn.isIdle)
            if let outcomes = turn.outcomes { return outcomes }
        }
        let connection = try await open(before: limit)
        let turn = await connection.takeTurn(statements, until: limit)
        await keep(connection, isIdle: turn.isIdle)
        return turn.outcomes ?? statements.map { .failure(PostgresError(.connectionLost).naming(statement: $0.name)) }
    }

    private func take(before limit: ContinuousClock.Instant) async throws(PostgresError) -> Connection {
        try await takePlace(before: limit)
        do throws(PostgresError) {
            while let connection = idle.popLast() {
                if await connection.isUsable { return connection }
            }
            return try await open(before: limit)
        } catch {
            leavePlace()
            throw error
        }
    }

    private func giveBack(_ connection: Connection) async {
        await keep(connection, isIdle: await connection.isIdle)
        leavePlace()
    }

    /// For the next caller, if it is fit for one.
    private func keep(_ connection: Connection, isIdle: Bool) async {
        if isIdle, !isClosed {
            idle.append(connection)
        } else {
            await connection.close()
        }
    }

    private func takePlace(before limit: ContinuousClock.Instant) async throws(PostgresError) {
        guard !isClosed else { throw Self.closed }
        guard !Task.isCancelled else { throw PostgresError(.cancelled) }
        if places > 0 {
            places -= 1
            return
        }
        let turn = FirstAnswer<Turn>()
        waiting.append(turn)
        switch await turn.value(before: limit, atDeadline: .late, whenCancelled: .cancelled) {
        case .granted: return
        case .late:
            waiting.removeAll { $0 === turn }
            throw outage?.lastError ?? PostgresError(.deadlineExceeded, "no connection of the pool became free")
        case .cancelled:
            waiting.removeAll { $0 === turn }
            throw PostgresError(.cancelled)
        case .closed: throw Self.closed
        }
    }

    /// The place goes to whoever has waited longest and still waits.
    private func leavePlace() {
        while !waiting.isEmpty {
            if waiting.removeFirst().offer(.granted) { return }
        }
        places += 1
    }

    /// Tries until `limit`. In an outage one attempt is made after each backoff, by whoever comes first.
    private func open(before limit: ContinuousClock.Instant) async throws(PostgresError) -> Connection {
        while true {
            try await waitForAttempt(before: limit)
            let start = ContinuousClock.now
            do throws(PostgresError) {
                let connection = try await Connection.open(options, before: limit)
                outage = nil
                return connection
            } catch {
                switch error.kind {
                case .unreachable: noteFailure(error)
                case .deadlineExceeded:
                    // A caller in a hurry says nothing about the server, but attempts that are given up go on in the
                    // background, and must not pile up when the server is silent.
                    if .now - start > backoff.base { noteFailure(error.asUnreachable) }
                    throw outage?.lastError ?? error
                case .server, .connectionLost, .cancelled, .encoding, .decoding, .invalidOptions, .invalidStatement,
                    .closed:
                    throw error
                }
            }
        }
    }

    private func waitForAttempt(before limit: ContinuousClock.Instant) async throws(PostgresError) {
        while var outage {
            guard !isClosed else { throw Self.closed }
            guard outage.nextAttempt > .now else {
                // Claims this attempt: the others wait for the next one.
                outage.nextAttempt = .now + backoff.delay(afterFailures: outage.failures)
                self.outage = outage
                return
            }
            guard outage.nextAttempt < limit else {
                await pause(until: limit)
                throw Task.isCancelled ? PostgresError(.cancelled) : outage.lastError
            }
            await pause(until: outage.nextAttempt)
            guard !Task.isCancelled else { throw PostgresError(.cancelled) }
        }
    }

    private func noteFailure(_ error: PostgresError) {
        let failures = (outage?.failures ?? 0) + 1
        let nextAttempt = ContinuousClock.now + backoff.delay(afterFailures: failures)
        outage = Outage(failures: failures, lastError: error, nextAttempt: nextAttempt)
    }

    /// Ends early when the task is cancelled.
    private func pause(until instant: ContinuousClock.Instant) async {
        do {
            try await ContinuousClock().sleep(until: instant)
        } catch {
            // Cancelled: the caller looks at its task.
        }
    }

    private static var closed: PostgresError { PostgresError(.closed, "the pool is closed") }
}

extension PostgresError {
    /// The error of an attempt that was given up, for others than the caller whose deadline ended it.
    fileprivate var asUnreachable: PostgresError { PostgresError(.unreachable, reason) }
}
