/// What a connection does on its own thread. Nothing of it suspends once it has begun, so calls cannot interleave.
internal import CPostgres

extension Connection {
    /// One outcome for each statement.
    nonisolated func perform(
        _ statements: [BoundStatement],
        commit: Batch.Commit,
        until limit: ContinuousClock.Instant
    ) async -> [Outcome] {
        await interruptible { await self.execute(statements, commit: commit, until: limit) }
    }

    /// A call of a pool: the outcomes, nil when the connection turned out to be lost and nothing was sent, and whether it is
    /// fit for the next caller.
    nonisolated func takeTurn(
        _ statements: [BoundStatement],
        until limit: ContinuousClock.Instant
    ) async -> (outcomes: [Outcome]?, isIdle: Bool) {
        await interruptible { await self.executeTurn(statements, until: limit) }
    }

    private func executeTurn(
        _ statements: [BoundStatement],
        until limit: ContinuousClock.Instant
    ) -> (outcomes: [Outcome]?, isIdle: Bool) {
        guard isUsable else { return (nil, false) }
        let outcomes = execute(statements, commit: .together, until: limit)
        // Lost from here on, the next caller notices it.
        return (outcomes, link?.isInTransaction == false)
    }

    nonisolated func run(script: String, until limit: ContinuousClock.Instant) async -> Result<Void, PostgresError> {
        await interruptible { await self.execute(script: script, until: limit) }
    }

    nonisolated func describe(_ sql: String, until limit: ContinuousClock.Instant) async -> Outcome {
        await interruptible { await self.prepareAndDescribe(sql, until: limit) }
    }

    /// A cancelled task wakes the thread that waits for the server.
    nonisolated func interruptible<Value: Sendable>(_ body: () async -> Value) async -> Value {
        await withTaskCancellationHandler(operation: body, onCancel: { wakeup.signal() })
    }

    private func execute(
        _ statements: [BoundStatement],
        commit: Batch.Commit,
        until limit: ContinuousClock.Instant
    ) -> [Outcome] {
        let refusals = statements.map { refusal(of: $0, until: limit) }
        var batch = Batch(statements, commit: commit, refusals: refusals, prepared: prepared)
        var lost: PostgresError?
        var isUnconfirmed = false
        if !batch.isEmpty {
            lost = converse(until: limit) { link, exchange throws(PostgresError) in
                guard batch.send(over: link, prepared: prepared) else { throw PostgresError(.connectionLost) }
                try batch.receive(from: &exchange, noting: &prepared)
                isUnconfirmed = link.takeUnconfirmedCommit()
                if isUnconfirmed { throw .unconfirmed(exchange.interruption) }
            }
        }
        if let lost, isUnconfirmed { return statements.map { .failure(lost.naming(statement: $0.name)) } }
        return zip(statements, batch.outcomes).map { statement, outcome in
            outcome ?? .failure((lost ?? PostgresError(.connectionLost)).naming(statement: statement.name))
        }
    }

    private func execute(script: String, until limit: ContinuousClock.Instant) -> Result<Void, PostgresError> {
        if let late = lateness(limit) { return .failure(late) }
        guard !script.utf8.contains(0) else { return .failure(PostgresError(.invalidStatement, "a script with a NUL")) }
        var failure: PostgresError?
        let lost = converse(until: limit) { link, exchange throws(PostgresError) in
            guard PQexitPipelineMode(link.pg) == 1, PQsendQuery(link.pg, script) == 1 else {
                throw PostgresError(.connectionLost)
            }
            while let result = try exchange.nextResult() { failure = failure ?? result.error }
            failure = failure?.explained(by: exchange.interruption)
            if link.takeUnconfirmedCommit() { throw .unconfirmed(exchange.interruption) }
        }
        return (lost ?? failure).map { .failure($0) } ?? .success(())
    }

    private func prepareAndDescribe(_ sql: String, until limit: ContinuousClock.Instant) -> Outcome {
        if let late = lateness(limit) { return .failure(late) }
        guard !sql.utf8.contains(0) else { return .failure(PostgresError(.invalidStatement, "a statement with a NUL")) }
        var outcome: Outcome?
        let unnamed = ""
        let lost = converse(until: limit) { link, exchange throws(PostgresError) in
            guard PQexitPipelineMode(link.pg) == 1, PQsendPrepare(link.pg, unnamed, sql, 0, nil) == 1 else {
                throw PostgresError(.connectionLost)
            }
            if let error = try exchange.allResults().lazy.compactMap(\.error).first {
                outcome = .failure(error.explained(by: exchange.interruption))
                return
            }
            guard PQsendDescribePrepared(link.pg, unnamed) == 1 else { throw PostgresError(.connectionLost) }
            guard let description = try exchange.allResults().first else { throw PostgresError(.connectionLost) }
            let failure = description.error?.explained(by: exchange.interruption)
            outcome = failure.map { .failure($0) } ?? .success(description)
        }
        return outcome ?? .failure(lost ?? PostgresError(.connectionLost))
    }

    /// Runs one exchange. What it throws, this returns, and the connection is closed: nobody knows its state.
    func converse(
        until limit: ContinuousClock.Instant?,
        _ body: (ServerLink, inout Exchange) throws(PostgresError) -> Void
    ) -> PostgresError? {
        guard let link else { return PostgresError(.closed) }
        var exchange = Exchange(over: link, until: limit)
        do {
            try body(link, &exchange)
            try exchange.finish()
            if !isListening { while link.takeNotification() != nil {} }
            return nil
        } catch {
            close()
            return error
        }
    }

    /// Why a statement is not sent at all.
    private func refusal(of statement: BoundStatement, until limit: ContinuousClock.Instant) -> PostgresError? {
        if let refusal = statement.failure ?? lateness(limit)?.naming(statement: statement.name) { return refusal }
        do {
            try prepared.check(statement)
            return nil
        } catch {
            return error
        }
    }

    private func lateness(_ limit: ContinuousClock.Instant) -> PostgresError? {
        if Task.isCancelled { return PostgresError(.cancelled) }
        return limit <= .now ? PostgresError(.deadlineExceeded, "nothing was sent") : nil
    }
}

extension PostgresError {
    /// The server reports a success that a failover may undo. The connection is closed with it, so that it counts as unknown.
    fileprivate static func unconfirmed(_ interruption: Exchange.Interruption?) -> PostgresError {
        PostgresError(interruption?.kind ?? .connectionLost, "committed, but no standby has confirmed it")
    }
}

extension Call {
    func rows(from outcome: Outcome) throws(PostgresError) -> [Row] {
        do {
            return try outcome.get().rows(of: Row.self)
        } catch {
            throw error.naming(statement: statementName)
        }
    }
}
