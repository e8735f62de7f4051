/// Several prepared calls in one round trip: libpq's pipeline mode, in which the server answers in the order of sending.
internal import CPostgres

/// What became of one call.
typealias Outcome = Result<QueryResult, PostgresError>

/// Sends calls and collects their outcomes.
struct Batch {
    enum Commit {
        /// All or nothing: one implicit transaction.
        case together
        /// Each call is a transaction of its own, whatever becomes of the others.
        case separately
    }

    private enum Command {
        case prepare(Int)
        case execute(Int)
        /// Ends the transaction of these calls.
        case sync(Range<Int>)
    }

    private let statements: [BoundStatement]
    private var commands: [Command] = []
    /// By call; nil as long as it is unknown. A result counts only when the server has confirmed its transaction.
    private(set) var outcomes: [Outcome?]
    private var results: [QueryResult?]
    private var preparationFailures: [String: PostgresError] = [:]

    /// `refusals`: calls that fail without being sent; with one of them, none of `together` is sent.
    init(
        _ statements: [BoundStatement],
        commit: Commit,
        refusals: [PostgresError?],
        prepared: PreparedStatements
    ) {
        self.statements = statements
        outcomes = refusals.map { $0.map(Outcome.failure) }
        results = Array(repeating: nil, count: statements.count)
        if commit == .together, let refusal = refusals.lazy.compactMap(\.self).first {
            outcomes = statements.map { _ in .failure(refusal) }
        }
        var preparing: Set<String> = []
        for (index, statement) in statements.enumerated() where outcomes[index] == nil {
            if prepared.isKept, !prepared.isPrepared(statement), preparing.insert(statement.name).inserted {
                commands.append(.prepare(index))
            }
            commands.append(.execute(index))
            if commit == .separately { commands.append(.sync(index..<index + 1)) }
        }
        if commit == .together, !commands.isEmpty { commands.append(.sync(0..<statements.count)) }
    }

    var isEmpty: Bool { commands.isEmpty }

    /// Queues everything in libpq's memory. False when libpq refuses, which a dead connection does.
    func send(over link: ServerLink, prepared: PreparedStatements) -> Bool {
        guard PQpipelineStatus(link.pg) == PQ_PIPELINE_ON || PQenterPipelineMode(link.pg) == 1 else { return false }
        return commands.allSatisfy { command in
            switch command {
            case .prepare(let index):
                let statement = statements[index]
                let types = statement.types.map(\.oid)
                let name = prepared.serverName(of: statement)
                return PQsendPrepare(link.pg, name, statement.sql, Int32(types.count), types) == 1
            case .execute(let index):
                let statement = statements[index]
                let name = prepared.isKept ? prepared.serverName(of: statement) : nil
                return Self.sendExecute(statement, name: name, over: link)
            case .sync: return PQpipelineSync(link.pg) == 1
            }
        }
    }

    /// `name`: of the prepared statement; nil parses the text for this call alone.
    private static func sendExecute(_ statement: BoundStatement, name: String?, over link: ServerLink) -> Bool {
        let binary: Int32 = 1
        let count = statement.values.count
        let lengths = statement.values.map { Int32($0?.count ?? 0) }
        let formats = Array(repeating: binary, count: count)
        return withPointers(to: statement.values) { values in
            guard let name else {
                let types = statement.types.map(\.oid)
                return PQsendQueryParams(link.pg, statement.sql, Int32(count), types, values, lengths, formats, binary)
                    == 1
            }
            return PQsendQueryPrepared(link.pg, name, Int32(count), values, lengths, formats, binary) == 1
        }
    }

    /// Reads the answers to all commands. When it throws, `outcomes` holds what is certain all the same.
    mutating func receive(
        from exchange: inout Exchange,
        noting prepared: inout PreparedStatements
    ) throws(PostgresError) {
        for command in commands {
            switch command {
            case .prepare(let index):
                let statement = statements[index]
                guard let last = try lastResult(from: &exchange) else { continue }
                if let error = last.error {
                    preparationFailures[statement.name] = error.explained(by: exchange.interruption)
                    fail(index, error, exchange)
                } else if last.status == PGRES_COMMAND_OK {
                    prepared.markPrepared(statement)
                }
            case .execute(let index):
                guard let last = try lastResult(from: &exchange) else { continue }
                if let error = last.error {
                    prepared.forget(statements[index], after: error)
                    fail(index, preparationFailures[statements[index].name] ?? error, exchange)
                } else if last.status != PGRES_PIPELINE_ABORTED {
                    results[index] = last
                }
            case .sync(let calls):
                try receiveSync(of: calls, from: &exchange)
            }
        }
    }

    /// The transaction's end. A deferred constraint, for one, fails only here.
    private mutating func receiveSync(of calls: Range<Int>, from exchange: inout Exchange) throws(PostgresError) {
        while let result = try exchange.nextResult() {
            if result.status == PGRES_PIPELINE_SYNC { break }
            if let error = result.error, let last = calls.last { fail(last, error, exchange) }
        }
        let failure = outcomes[calls].compactMap { $0?.failure }.first
        for index in calls where outcomes[index] == nil {
            if let failure {
                outcomes[index] = .failure(failure)
            } else if let result = results[index] {
                outcomes[index] = .success(result)
            }
        }
    }

    private mutating func fail(_ index: Int, _ error: PostgresError, _ exchange: Exchange) {
        let explained = error.explained(by: exchange.interruption)
        outcomes[index] = outcomes[index] ?? .failure(explained.naming(statement: statements[index].name))
    }

    private func lastResult(from exchange: inout Exchange) throws(PostgresError) -> QueryResult? {
        var last: QueryResult?
        while let result = try exchange.nextResult() { last = result }
        return last
    }
}

extension Result {
    fileprivate var failure: Failure? {
        switch self {
        case .success: nil
        case .failure(let failure): failure
        }
    }
}
