/// Gives an actor a thread of its own to block on: libpq waits in `poll`, and the cooperative pool must never wait there.
internal import Dispatch

/// Runs one actor's jobs on one serial dispatch queue. The queue draws on a pool of about 250 threads a process, which
/// is thus the most connections that can wait for an answer at the same moment.
final class BlockingExecutor: SerialExecutor {
    let queue = DispatchQueue(label: "postgres.connection")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
