/// LISTEN that survives: a session of its own waits for notifications, and comes back whenever it is lost.

/// Listens on channels until the task is cancelled.
public struct Listener: Sendable {
    public enum Event: Sendable {
        /// The session listens, for the first time or again. Notifications may have been missed before: look now.
        case listening
        /// A text that is not valid UTF-8 is repaired: a notification is a hint, not data.
        case notification(channel: String, payload: String, processID: Int32)
        /// The session was lost, or could not be opened. Comes once for each failed attempt.
        case disconnected(PostgresError)
    }

    /// After so long a silence the server is asked whether it is still there, and has so long to answer. A way that is half open
    /// tells nothing by itself: where a proxy stands in it, its machine answers keepalives for the server.
    private static let silenceMax = Duration.seconds(5)
    private static let answerMax = Duration.seconds(5)

    private let options: ConnectionOptions
    private let channels: [String]
    private let backoff: Backoff
    private let onConnect: @Sendable (Connection) async throws(PostgresError) -> Void

    /// `onConnect` runs in each new session, after LISTEN and before `listening`.
    public init(
        _ options: ConnectionOptions,
        channels: [String],
        backoff: Backoff = Backoff(),
        onConnect: @escaping @Sendable (Connection) async throws(PostgresError) -> Void = { _ in }
    ) {
        self.options = options
        self.channels = channels
        self.backoff = backoff
        self.onConnect = onConnect
    }

    /// Returns when the task is cancelled. Events come one by one: while `handle` runs, nothing more is read from the
    /// server, which keeps what it has to say.
    public func run(_ handle: @Sendable (Event) async -> Void) async {
        var failures = 0
        while !Task.isCancelled {
            let error = await listen(handle) { failures = 0 }
            guard !Task.isCancelled else { return }
            failures += 1
            await handle(.disconnected(error))
            do {
                try await ContinuousClock().sleep(for: backoff.delay(afterFailures: failures))
            } catch {
                return
            }
        }
    }

    /// One session, from opening to loss. Returns why it ended.
    private func listen(_ handle: @Sendable (Event) async -> Void, onListening: () -> Void) async -> PostgresError {
        do throws(PostgresError) {
            let connection = try await Connection.open(options)
            let failure = await events(of: connection, handle, onListening: onListening)
            await connection.close()
            return failure
        } catch {
            return error
        }
    }

    private func events(
        of connection: Connection,
        _ handle: @Sendable (Event) async -> Void,
        onListening: () -> Void
    ) async -> PostgresError {
        do throws(PostgresError) {
            await connection.keepNotifications()
            try await connection.script(channels.map { "LISTEN \($0.quotedAsIdentifier)" }.joined(separator: "; "))
            try await onConnect(connection)
            onListening()
            await handle(.listening)
            while true {
                guard let received = try await connection.nextNotification(before: .now + Self.silenceMax) else {
                    try await connection.script("SELECT 1", deadline: Self.answerMax)
                    continue
                }
                await handle(
                    .notification(channel: received.channel, payload: received.payload, processID: received.processID)
                )
            }
        } catch {
            return error
        }
    }
}

extension String {
    fileprivate var quotedAsIdentifier: String { "\"" + replacing("\"", with: "\"\"") + "\"" }
}
