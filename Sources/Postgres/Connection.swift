/// The client: one session with the server, on which typed calls run one after the other, each with a deadline.
internal import CPostgres

/// One connection. Calls run in the order in which they arrive; one that waits for its turn notices its deadline or its
/// cancellation when the turn comes. For calls at the same time use a `Pool`.
///
/// When a deadline passes or the calling task is cancelled, the server is asked to stop and has a second to confirm. If it
/// does, the call throws `deadlineExceeded` or `cancelled` (or returns its result, if it completed after all) and the
/// connection stays usable. If it does not, the connection is closed.
public actor Connection {
    /// The session's process on the server, as in `pg_stat_activity.pid`.
    public nonisolated let backendProcessID: Int32
    public nonisolated let options: ConnectionOptions

    private let executor: BlockingExecutor
    nonisolated let wakeup: Wakeup
    /// nil once closed.
    var link: ServerLink?
    var prepared: PreparedStatements
    /// Whether somebody takes the notifications of this session. Without that they are dropped.
    var isListening = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ link: ServerLink, on executor: BlockingExecutor, options: ConnectionOptions) {
        self.executor = executor
        self.options = options
        self.link = link
        prepared = PreparedStatements(isKept: options.preparesStatements)
        wakeup = link.wakeup
        backendProcessID = PQbackendPID(link.pg)
    }

    /// Runs one call and returns its rows, all of them in memory: a limit belongs into the SQL. In no explicit transaction, it is committed when this returns.
    public nonisolated func run<Row>(
        _ call: Call<Row>,
        deadline: Duration = .seconds(10)
    ) async throws(PostgresError) -> [Row] {
        let outcomes = await perform([call.bound], commit: .together, until: .deadline(after: deadline))
        return try call.rows(from: outcomes[0])
    }

    /// Runs several calls in one transaction and one round trip. The first error rolls all of them back and is thrown. A
    /// `decoding` error is thrown after the commit.
    public nonisolated func atomically<each Row>(
        _ calls: repeat Call<each Row>,
        deadline: Duration = .seconds(10)
    ) async throws(PostgresError) -> (repeat [each Row]) {
        var statements: [BoundStatement] = []
        repeat statements.append((each calls).bound)
        var outcomes = await perform(statements, commit: .together, until: .deadline(after: deadline))[...]
        for case .failure(let error) in outcomes { throw error }
        return (repeat try (each calls).rows(from: outcomes.removeFirst()))
    }

    /// Runs calls that are each a transaction of their own in one round trip, and returns what became of each, in order.
    /// The deadline is that of all together.
    public nonisolated func each<Row>(
        _ calls: [Call<Row>],
        deadline: Duration = .seconds(10)
    ) async -> [Result<[Row], PostgresError>] {
        let outcomes = await perform(calls.map(\.bound), commit: .separately, until: .deadline(after: deadline))
        return zip(calls, outcomes).map { call, outcome in
            Result { () throws(PostgresError) in try call.rows(from: outcome) }
        }
    }

    /// Runs statements that are separated by semicolons, in one transaction unless they say otherwise. Rows are dropped.
    /// For migrations: a value must never be made part of the text.
    public nonisolated func script(_ sql: String, deadline: Duration = .seconds(10)) async throws(PostgresError) {
        try await run(script: sql, until: .deadline(after: deadline)).get()
    }

    /// What the server makes of a statement's text: the types that it infers for the parameters, and the columns of its
    /// result. Nothing is run.
    public nonisolated func describe(
        _ sql: String,
        deadline: Duration = .seconds(10)
    ) async throws(PostgresError) -> (parameters: [PostgresType], columns: [(name: String, type: PostgresType)]) {
        let description = try await describe(sql, until: .deadline(after: deadline)).get()
        return (
            description.parameterTypes,
            (0..<description.columnCount).map { (description.name(of: $0), description.type(of: $0)) }
        )
    }

    /// False once the connection is lost or closed. Looks at the socket, so that a server that has hung up is noticed.
    public var isUsable: Bool {
        guard let link else { return false }
        guard link.isAlive() else {
            close()
            return false
        }
        return true
    }

    /// In no transaction: fit for the next user.
    var isIdle: Bool { isUsable && link?.isInTransaction == false }

    /// Such as 150018 for 15.18; 0 once closed.
    public var serverVersion: Int { link.map { Int(PQserverVersion($0.pg)) } ?? 0 }

    /// Ends the session. Waits for the call that is running.
    public func close() { link = nil }
}

extension ContinuousClock.Instant {
    /// When a call that begins now has to end. Capped at a year, so that no deadline overflows.
    static func deadline(after duration: Duration) -> Self {
        let year = Duration.seconds(365 * 86_400)
        return .now + min(max(duration, .zero), year)
    }
}
