/// One conversation with the server: flush, wait, read, until a deadline or a cancelled task ends it.
internal import CPostgres

/// Waits for results without ever blocking in libpq. Whatever it throws leaves the connection in an unknown state: it must
/// be closed. Used on the connection's executor only, by one call at a time.
struct Exchange {
    private let link: ServerLink
    /// nil waits for ever.
    private let limit: ContinuousClock.Instant?
    private(set) var interruption: Interruption?

    struct Interruption {
        /// `deadlineExceeded` or `cancelled`.
        let kind: PostgresError.Kind
        let graceEnds: ContinuousClock.Instant
        var request: CancelRequest
        var requestedAt: ContinuousClock.Instant
    }

    /// How long the server may take to confirm that it has stopped.
    static let grace = Duration.seconds(1)
    /// A request that reaches the server between two statements of a batch stops nothing, so it is repeated.
    private static let requestInterval = Duration.milliseconds(100)

    init(over link: ServerLink, until limit: ContinuousClock.Instant?) {
        self.link = link
        self.limit = limit
    }

    /// The next result, or nil where libpq says that a command has no more.
    mutating func nextResult() throws(PostgresError) -> QueryResult? {
        while true {
            let pending = PQflush(link.pg)
            guard pending >= 0 else { throw PostgresError(.connectionLost) }
            if PQisBusy(link.pg) == 0 { return try read() }
            try wait(writing: pending == 1)
        }
    }

    /// All results up to the end of the command, for use outside pipeline mode.
    mutating func allResults() throws(PostgresError) -> [QueryResult] {
        var results: [QueryResult] = []
        while let result = try nextResult() { results.append(result) }
        return results
    }

    /// Waits until something has arrived, or the wakeup was signalled for no reason of this exchange.
    ///
    /// - Parameter latest: when to return without anything having arrived.
    mutating func wait(writing: Bool = false, latest: ContinuousClock.Instant? = nil) throws(PostgresError) {
        link.wakeup.drain()
        let until = [try noticeInterruption(), latest].compactMap(\.self).min()
        let news = SocketWait.news(on: PQsocket(link.pg), writing: writing, wakeup: link.wakeup, until: until)
        if news, PQconsumeInput(link.pg) == 0 {
            throw PostgresError(.connectionLost)
        }
    }

    /// To be called once the last result is in: after an interruption, waits until no cancel request is under way that
    /// could hit the next call.
    mutating func finish() throws(PostgresError) {
        while let interruption, !interruption.request.isFinished {
            guard ContinuousClock.now < interruption.graceEnds else { throw PostgresError(interruption.kind) }
            link.wakeup.drain()
            if interruption.request.isFinished { return }
            _ = SocketWait.news(on: -1, wakeup: link.wakeup, until: interruption.graceEnds)
        }
    }

    private func read() throws(PostgresError) -> QueryResult? {
        guard let result = PQgetResult(link.pg) else {
            if link.isLost { throw PostgresError(.connectionLost) }
            return nil
        }
        let taken = QueryResult(taking: result)
        switch taken.status {
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            throw PostgresError(.invalidStatement, "COPY from or to the client is not supported")
        default:
            // After FATAL the server hangs up: its last words say why.
            if let error = taken.error, error.kind == .connectionLost || link.isLost { throw error.asLost }
            return taken
        }
    }

    /// Asks the server to stop if it is time, and returns until when to wait. Throws when the server has had its grace.
    private mutating func noticeInterruption() throws(PostgresError) -> ContinuousClock.Instant? {
        let now = ContinuousClock.now
        if interruption == nil {
            guard Task.isCancelled || limit.map({ $0 <= now }) ?? false else { return limit }
            interruption = Interruption(
                kind: Task.isCancelled ? .cancelled : .deadlineExceeded,
                graceEnds: now + Self.grace,
                request: CancelRequest(over: link),
                requestedAt: now
            )
        }
        guard var interruption else { return limit }
        guard now < interruption.graceEnds else {
            throw PostgresError(
                interruption.kind,
                "the server did not confirm within \(Self.grace) that it has stopped"
            )
        }
        if interruption.request.isFinished, interruption.requestedAt + Self.requestInterval <= now {
            interruption.request = CancelRequest(over: link)
            interruption.requestedAt = now
            self.interruption = interruption
        }
        return min(interruption.graceEnds, now + Self.requestInterval)
    }
}
