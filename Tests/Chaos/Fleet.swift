/// The workers of a run: processes that are killed, stopped, drained and started again.
import Foundation
import Subprocess
import Support
import Synchronization

/// A place for one worker process after another, behind a proxy of its own.
final class WorkerSlot: Sendable {
    private struct State {
        var processID: Int32?
        /// What it has been told to end with. Nobody sends it anything more.
        var ending: (signal: Int32, at: ContinuousClock.Instant)?
        var isStopped = false
        var began = ContinuousClock.now
    }

    /// What has only just begun has no handler of signals yet, and no job either.
    private static let startSeconds = 2

    let number: Int
    let proxy: TCPProxy
    let port: Int
    private let state = Mutex(State())

    init(number: Int, proxy: TCPProxy, port: Int) {
        self.number = number
        self.proxy = proxy
        self.port = port
    }

    var processID: Int32? { state.withLock(\.processID) }
    /// Whether a process is there that goes on.
    var isWorking: Bool { state.withLock { $0.processID != nil && $0.ending == nil && !$0.isStopped } }

    fileprivate func began(_ processID: Int32) { state.withLock { $0 = State(processID: processID) } }

    /// With what its end had been ordered, and how long ago; nil when it had not been.
    fileprivate func ended() -> (signal: Int32, after: Duration, wasStarting: Bool)? {
        state.withLock { state in
            defer { state = State() }
            return state.ending.map { ending in
                (ending.signal, .now - ending.at, ending.at - state.began < .seconds(Self.startSeconds))
            }
        }
    }

    /// Returns false when there is no process that goes on.
    @discardableResult
    func send(_ signal: Int32) -> Bool {
        state.withLock { state in
            guard let processID = state.processID, state.ending == nil, kill(processID, signal) == 0 else {
                return false
            }
            switch signal {
            case SIGSTOP: state.isStopped = true
            case SIGCONT: state.isStopped = false
            default: state.ending = (signal, .now)
            }
            return true
        }
    }
}

final class Fleet: Sendable {
    /// How long a drained worker may take: EMBARK_DRAIN_SECONDS, a margin for what it writes behind it, and as long as its network
    /// may be silent meanwhile.
    static let drainMax = Duration.seconds(35) + .seconds(Troubles.silenceSecondsMax)

    let slots: [WorkerSlot]
    private let embark: String
    private let environment: [String: String]
    private let databaseURL: String
    private let logs: String
    private let isFinishing = Atomic(false)
    private let failures = Mutex<[String]>([])

    init(slots: [WorkerSlot], embark: String, databaseURL: String, environment: [String: String], logs: String) {
        self.slots = slots
        self.embark = embark
        self.databaseURL = databaseURL
        self.environment = environment
        self.logs = logs
    }

    /// Workers that have ended by themselves, or have not ended as they should.
    var faults: [String] { failures.withLock(\.self) }

    /// Keeps a process in each slot, until `finish`.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for slot in slots { group.addTask { try await self.keep(slot) } }
            try await group.waitForAll()
        }
    }

    /// From now on who ends is not started again. Whoever is stopped goes on, and ends.
    func finish() {
        isFinishing.store(true, ordering: .sequentiallyConsistent)
        for slot in slots { end(slot) }
    }

    private func end(_ slot: WorkerSlot) {
        slot.send(SIGCONT)
        slot.send(SIGTERM)
    }

    private func keep(_ slot: WorkerSlot) async throws {
        var values = environment
        values["EMBARK_DATABASE_URL"] = try slot.proxy.url(for: databaseURL)
        values["EMBARK_LISTEN"] = "127.0.0.1:\(slot.port)"
        let given = Environment.custom(values.map { Array("\($0)=\($1)".utf8) + [0] })
        while !isFinishing.load(ordering: .sequentiallyConsistent) {
            let result = try await Subprocess.run(
                .name("sh"),
                arguments: ["-c", #"exec "$0" worker 2>>"$1""#, embark, "\(logs)/worker-\(slot.number).log"],
                environment: given,
                input: .none,
                output: .discarded,
                error: .discarded
            ) { process in
                slot.began(Int32(process.processIdentifier.value))
                // Ordered between the look above and this moment.
                if self.isFinishing.load(ordering: .sequentiallyConsistent) { self.end(slot) }
            }
            let ordered = slot.ended()
            let problem: String? =
                switch (ordered?.signal, result.terminationStatus) {
                case (nil, let status): "worker \(slot.number) has ended by itself: \(status)"
                case (SIGTERM, .exited(0)):
                    ordered.map { $0.after > Self.drainMax } == true
                        ? "worker \(slot.number) took \(ordered?.after ?? .zero) to drain" : nil
                case (SIGKILL, .signaled(SIGKILL)): nil
                case (SIGTERM, .signaled(SIGTERM)) where ordered?.wasStarting == true: nil
                case (let signal?, let status): "worker \(slot.number) got signal \(signal) and ended with \(status)"
                }
            if let problem {
                failures.withLock { $0.append(problem + "; its log is \(logs)/worker-\(slot.number).log") }
                // It would be started again and again.
                await pause(1)
            }
        }
    }
}
