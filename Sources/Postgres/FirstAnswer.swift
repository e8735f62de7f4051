/// The race between an answer, a deadline and a cancelled task: whoever comes first decides, the others find it decided.
internal import Synchronization

/// One value that one task waits for and that several may offer; only the first offer counts.
final class FirstAnswer<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, Never>)
        case decided(Value)
        case taken
    }

    private let state = Mutex(State.open)

    /// Returns whether this offer decided the race. A value that did not is still the caller's to dispose of.
    @discardableResult
    func offer(_ value: Value) -> Bool {
        let (won, waiting) = state.withLock { state -> (Bool, CheckedContinuation<Value, Never>?) in
            switch state {
            case .open:
                state = .decided(value)
                return (true, nil)
            case .awaited(let continuation):
                state = .taken
                return (true, continuation)
            case .decided, .taken:
                return (false, nil)
            }
        }
        waiting?.resume(returning: value)
        return won
    }

    /// Waits for the first offer. `atDeadline` and `whenCancelled` are what the clock and a cancelled task offer.
    func value(
        before limit: ContinuousClock.Instant,
        atDeadline: Value,
        whenCancelled: Value
    ) async -> Value {
        await withTaskGroup { group in
            group.addTask {
                do {
                    try await ContinuousClock().sleep(until: limit)
                    self.offer(atDeadline)
                } catch {
                    // The race was decided and the group ended the alarm, or the whole task was cancelled.
                }
            }
            let first = await withTaskCancellationHandler {
                await self.taken()
            } onCancel: {
                self.offer(whenCancelled)
            }
            group.cancelAll()
            return first
        }
    }

    private func taken() async -> Value {
        await withCheckedContinuation { continuation in
            let decided = state.withLock { state -> Value? in
                switch state {
                case .open:
                    state = .awaited(continuation)
                    return nil
                case .decided(let value):
                    state = .taken
                    return value
                case .awaited, .taken:
                    preconditionFailure("a FirstAnswer has one waiting task")
                }
            }
            if let decided { continuation.resume(returning: decided) }
        }
    }
}
