/// Opening a connection: libpq's blocking connect on a thread of its own, abandoned when it takes too long.
internal import Dispatch

extension Connection {
    /// Opens a session. Gives up after the options' `connectTimeout` for each host, and at once when the calling task is
    /// cancelled; an attempt that still succeeds after that is closed in the background.
    ///
    /// - Throws: `unreachable` with libpq's words, without credentials, or `cancelled`.
    public static func open(_ options: ConnectionOptions) async throws(PostgresError) -> Connection {
        try await open(options, before: nil)
    }

    /// As above; gives up with `deadlineExceeded` at `limit` if that is earlier.
    static func open(
        _ options: ConnectionOptions,
        before limit: ContinuousClock.Instant?
    ) async throws(PostgresError) -> Connection {
        guard !Task.isCancelled else { throw PostgresError(.cancelled) }
        let executor = BlockingExecutor()
        let attempt = FirstAnswer<Result<ServerLink, PostgresError>>()
        // A link that comes too late is released here and thereby closed.
        executor.queue.async {
            attempt.offer(Result { () throws(PostgresError) in try ServerLink(options) })
        }
        let connectLimit = ContinuousClock.Instant.deadline(after: options.connectLimit)
        let limit = min(limit ?? connectLimit, connectLimit)
        let link = await attempt.value(
            before: limit,
            atDeadline: .failure(
                PostgresError(
                    limit < connectLimit ? .deadlineExceeded : .unreachable,
                    "cannot connect to \(options.description): no answer in time"
                )
            ),
            whenCancelled: .failure(PostgresError(.cancelled))
        )
        return Connection(try link.get(), on: executor, options: options)
    }
}
