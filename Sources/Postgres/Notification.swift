/// What another session said with NOTIFY, taken off a connection.
internal import CPostgres

/// A message on a channel.
struct Notification: Sendable {
    let channel: String
    let payload: String
    /// The session that sent it.
    let processID: Int32
}

extension ServerLink {
    /// The oldest notification that has arrived, without looking at the socket.
    func takeNotification() -> Notification? {
        guard let notification = PQnotifies(pg) else { return nil }
        defer { PQfreemem(notification) }
        let received = notification.pointee
        return Notification(
            channel: received.relname.map { String(cString: $0) } ?? "",
            payload: received.extra.map { String(cString: $0) } ?? "",
            processID: received.be_pid
        )
    }
}

extension Connection {
    /// Waits for the next notification; nil when there was none by then. A cancelled task ends the wait and closes the
    /// connection. Nothing more is read from the server until somebody asks for the next one.
    nonisolated func nextNotification(
        before limit: ContinuousClock.Instant
    ) async throws(PostgresError) -> Notification? {
        try await interruptible { await self.awaitNotification(limit) }.get()
    }

    /// From now on notifications are kept for `nextNotification`.
    func keepNotifications() { isListening = true }

    private func awaitNotification(_ limit: ContinuousClock.Instant) -> Result<Notification?, PostgresError> {
        if let early = link?.takeNotification() { return .success(early) }
        var notification: Notification?
        let lost = converse(until: nil) { link, exchange throws(PostgresError) in
            while notification == nil, limit > .now {
                if Task.isCancelled { throw PostgresError(.cancelled) }
                try exchange.wait(latest: limit)
                notification = link.takeNotification()
            }
        }
        if let lost, notification == nil { return .failure(lost) }
        return .success(notification)
    }
}
