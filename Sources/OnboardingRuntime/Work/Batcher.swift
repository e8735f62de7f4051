/// Many callers, few statements: what comes while one statement runs goes with the next, so that batches grow with the load
/// by themselves and nothing waits for a batch to fill.
import Synchronization

/// Hands items to `write` in batches and each caller its answer.
///
/// Every step of every signup waits here once, and a checked continuation looks its type up at run time, which cost a tenth
/// of the worker's own time: so the callers' are unchecked. Each is resumed in one place, by the batch that it is in.
final class Batcher<Item: Sendable, Answer: Sendable>: Sendable {
    /// Items and, at the same places, who waits for their answers: apart, so that a batch is handed over as it is.
    private struct Batch {
        var items: [Item] = []
        var callers: [UnsafeContinuation<Answer, Never>] = []
    }

    private struct State {
        var waiting = Batch()
        /// Each is told whether there is work: false is the end.
        var idleWriters: [CheckedContinuation<Bool, Never>] = []
        var busyWriters = 0
        var isEnding = false
    }

    private let batchMax: Int
    private let writers: Int
    private let secondFrom: Int
    private let write: @Sendable ([Item]) async -> [Answer]
    private let state = Mutex(State())

    /// - Parameters:
    ///   - batchMax: items in one call of `write`.
    ///   - writers: calls of `write` at the same time.
    ///   - secondFrom: how many items have to wait before a second call is made beside a running one: under light load one
    ///     larger batch is cheaper than two small ones.
    ///   - write: returns an answer for each item, in order.
    init(
        batchMax: Int,
        writers: Int = 1,
        secondFrom: Int = 1,
        write: @escaping @Sendable ([Item]) async -> [Answer]
    ) {
        self.batchMax = batchMax
        self.writers = writers
        self.secondFrom = secondFrom
        self.write = write
    }

    /// Returns the item's answer.
    func submit(_ item: Item) async -> Answer {
        await withUnsafeContinuation { answer in
            let woken = state.withLock { state in
                state.waiting.items.append(item)
                state.waiting.callers.append(answer)
                return next(&state)
            }
            woken?.resume(returning: true)
        }
    }

    /// Writes until `end` was called and nothing waits any more.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<writers { group.addTask { await self.writeBatches() } }
        }
    }

    /// What was submitted before is still written.
    func end() {
        let woken = state.withLock { state in
            state.isEnding = true
            defer { state.idleWriters = [] }
            return state.idleWriters
        }
        for writer in woken { writer.resume(returning: false) }
    }

    /// A writer to wake, if one is idle and it is time.
    private func next(_ state: inout State) -> CheckedContinuation<Bool, Never>? {
        guard isTime(state), let writer = state.idleWriters.popLast() else { return nil }
        state.busyWriters += 1
        return writer
    }

    private func writeBatches() async {
        while await waitForWork() {
            while let batch = takeBatch() {
                let answers = await write(batch.items)
                for (caller, answer) in zip(batch.callers, answers) { caller.resume(returning: answer) }
            }
        }
    }

    /// Returns busy, or false at the end. What came since the last look is seen under the same lock that makes a writer idle:
    /// in between nobody would have been there to be woken.
    private func waitForWork() async -> Bool {
        await withCheckedContinuation { continuation in
            let answer: Bool? = state.withLock { state in
                if isTime(state) {
                    state.busyWriters += 1
                    return true
                }
                if state.isEnding { return false }
                state.idleWriters.append(continuation)
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private func isTime(_ state: State) -> Bool {
        let count = state.waiting.items.count
        return count > 0 && (state.busyWriters == 0 || count >= secondFrom)
    }

    /// nil when nothing is left: then the writer is idle.
    private func takeBatch() -> Batch? {
        state.withLock { state in
            let count = state.waiting.items.count
            guard count > 0, state.busyWriters == 1 || count >= secondFrom else {
                state.busyWriters -= 1
                return nil
            }
            var batch = Batch()
            swap(&batch, &state.waiting)
            if count > batchMax {
                state.waiting.items.append(contentsOf: batch.items[batchMax...])
                state.waiting.callers.append(contentsOf: batch.callers[batchMax...])
                batch.items.removeSubrange(batchMax...)
                batch.callers.removeSubrange(batchMax...)
            }
            return batch
        }
    }
}
