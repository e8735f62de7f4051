/// A wake-up call between tasks of one process: raised any number of times before it is waited for, it wakes once.
import Synchronization

final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func raise() {
        let woken = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiting = state.waiting else {
                state.isRaised = true
                return nil
            }
            state.waiting = nil
            return waiting
        }
        woken?.resume()
    }

    /// Returns when the signal is raised, after `limit`, or when the task is cancelled. One task waits at a time.
    func wait(atMost limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await withTaskCancellationHandler {
                    await self.wait()
                } onCancel: {
                    self.raise()
                }
            }
            group.addTask {
                do {
                    try await Task.sleep(for: limit)
                } catch {
                    // Cancelled because the signal came first.
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait() async {
        await withCheckedContinuation { continuation in
            let wasRaised = state.withLock { state in
                if state.isRaised {
                    state.isRaised = false
                    return true
                }
                state.waiting = continuation
                return false
            }
            if wasRaised { continuation.resume() }
        }
    }
}
