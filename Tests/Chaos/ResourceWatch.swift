/// What the workers hold, once a second: resident memory, descriptors, tasks; and what they show of themselves.
import AsyncHTTPClient
import Foundation
import NIOCore
import Synchronization

final class ResourceWatch: Sendable {
    struct Sample: Sendable {
        let seconds: Double
        let slot: Int
        let processID: Int32
        let memoryMiB: Double
        let descriptors: Int
        /// Of the kernel: threads.
        let tasks: Int
    }

    private let kept = Mutex<[Sample]>([])

    var samples: [Sample] { kept.withLock(\.self) }

    /// Until the task is cancelled.
    func watch(_ fleet: Fleet, logs: String) async {
        let start = ContinuousClock.now
        var arguments: Set<String> = []
        var turn = 0
        while !Task.isCancelled {
            await pause(1)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            for slot in fleet.slots where slot.isWorking {
                guard let processID = slot.processID else { continue }
                if let sample = Self.look(at: processID, slot: slot.number, seconds: seconds) {
                    kept.withLock { $0.append(sample) }
                }
                guard turn.isMultiple(of: 10) else { continue }
                if let line = FileManager.default.contents(atPath: "/proc/\(processID)/cmdline") {
                    arguments.insert(String(decoding: line, as: UTF8.self).replacing("\0", with: " "))
                }
                await Self.keepMetrics(of: slot, in: logs)
            }
            if turn.isMultiple(of: 10) {
                Self.write(arguments.sorted().joined(separator: "\n"), to: logs + "/arguments.txt")
            }
            turn += 1
        }
    }

    /// nil when it has ended meanwhile.
    private static func look(at processID: Int32, slot: Int, seconds: Double) -> Sample? {
        guard let status = FileManager.default.contents(atPath: "/proc/\(processID)/status") else { return nil }
        let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
        func number(_ name: String) -> Double? {
            lines.first { $0.hasPrefix(name) }?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Double($0) }
        }
        let descriptors: Int
        do {
            descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count
        } catch {
            return nil
        }
        guard let memory = number("VmRSS:"), let tasks = number("Threads:") else { return nil }
        return Sample(
            seconds: seconds,
            slot: slot,
            processID: processID,
            memoryMiB: memory / 1024,
            descriptors: descriptors,
            tasks: Int(tasks)
        )
    }

    private static func keepMetrics(of slot: WorkerSlot, in logs: String) async {
        do {
            let request = HTTPClientRequest(url: "http://127.0.0.1:\(slot.port)/metrics")
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(2))
            let body = try await response.body.collect(upTo: 1 << 20)
            write(String(buffer: body), to: "\(logs)/metrics-\(slot.number).txt")
        } catch {
            // It was killed meanwhile, or is only about to listen.
        }
    }

    private static func write(_ text: String, to path: String) {
        if !FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) { say("\(path) cannot be written") }
    }
}
