/// What this process has claimed and not settled yet: what a drain gives back.
import Synchronization

/// The leases in this process's hands.
final class HeldLeases: Sendable {
    private struct State {
        var leases: Set<Lease> = []
        var runsAlone = false
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.leases.count } }

    /// Nothing more is claimed until all leases are gone.
    var runsAlone: Bool {
        get { state.withLock { $0.runsAlone } }
        set { state.withLock { $0.runsAlone = newValue } }
    }

    func contains(_ lease: Lease) -> Bool { state.withLock { $0.leases.contains(lease) } }
    func insert(_ lease: Lease) { state.withLock { _ = $0.leases.insert(lease) } }

    func replace(_ lease: Lease, by next: Lease) {
        state.withLock {
            $0.leases.remove(lease)
            $0.leases.insert(next)
        }
    }

    func remove(_ lease: Lease) {
        state.withLock {
            $0.leases.remove(lease)
            if $0.leases.isEmpty { $0.runsAlone = false }
        }
    }

    func endAloneIfEmpty() { state.withLock { if $0.leases.isEmpty { $0.runsAlone = false } } }

    func removeAll() -> [Lease] {
        state.withLock {
            let all = Array($0.leases)
            $0.leases = []
            return all
        }
    }
}
