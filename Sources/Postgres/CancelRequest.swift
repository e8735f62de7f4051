/// Asks the server to stop what a connection is doing. That takes a connection of its own, which may hang as well, so it
/// happens on another thread.
internal import CPostgres
internal import Dispatch
internal import Synchronization

final class CancelRequest: Sendable {
    private let finished = Atomic(false)

    /// Once true, the server has signalled the session, or cannot be reached; nothing arrives later.
    var isFinished: Bool { finished.load(ordering: .acquiring) }

    /// Sends the request and signals the connection's wakeup when it is done.
    init(over link: ServerLink) {
        // A copy of what the request needs, made for being used by another thread.
        nonisolated(unsafe) let cancel = PQgetCancel(link.pg)
        let wakeup = link.wakeup
        DispatchQueue(label: "postgres.cancel").async {
            var words = [CChar](repeating: 0, count: 256)
            _ = PQcancel(cancel, &words, Int32(words.count))
            PQfreeCancel(cancel)
            self.finished.store(true, ordering: .releasing)
            wakeup.signal()
        }
    }
}
