/// How tests wait for what another task does.
import Postgres
import Support
import Synchronization

/// Something that happens once.
struct FirstSignal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func give() { continuation.finish() }
    func wait() async { for await _ in stream {} }
}

/// What a listener has said, in order, for one task that waits for it.
struct EventLog: Sendable {
    private let stream: AsyncStream<Listener.Event>
    private let continuation: AsyncStream<Listener.Event>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func append(_ event: Listener.Event) { continuation.yield(event) }

    /// The next event. Throws when none comes within the limit.
    func next(within limit: Duration = .seconds(5)) async throws -> Listener.Event {
        try await withThrowingTaskGroup { group in
            group.addTask {
                for await event in self.stream { return event }
                throw SupportError("the log has ended")
            }
            group.addTask {
                try await ContinuousClock().sleep(for: limit)
                throw SupportError("no event within \(limit)")
            }
            defer { group.cancelAll() }
            guard let event = try await group.next() else { throw SupportError("no event") }
            return event
        }
    }
}
