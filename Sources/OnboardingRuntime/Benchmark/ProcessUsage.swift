/// What a process has used so far, from /proc: Linux alone says it of other processes.
import Foundation

struct ProcessUsage: Sendable {
    /// User and system.
    var cpuSeconds: Double
    /// The most memory that was resident, in bytes.
    var peakResidentBytes: Int

    /// nil where there is no /proc, or no such process.
    init?(processID: Int32) {
        guard let fields = Self.statFields(processID), fields.count > 15,
            let user = Double(fields[11]), let system = Double(fields[12])
        else { return nil }
        cpuSeconds = (user + system) / Self.ticksPerSecond
        peakResidentBytes = Self.peak(processID)
    }

    /// CPU of PostgreSQL: the postmaster, its children, and those of them that have ended.
    ///
    /// One that ends while they are read is missed, and none is counted twice: so the largest of some readings is right.
    ///
    /// - Parameter backend: any session's process.
    static func serverCPUSeconds(backend: Int32) -> Double? {
        (0..<5).compactMap { _ in readServerCPUSeconds(backend: backend) }.max()
    }

    private static func readServerCPUSeconds(backend: Int32) -> Double? {
        guard let postmaster = statFields(backend).flatMap({ $0.count > 1 ? Int32($0[1]) : nil }),
            let own = statFields(postmaster), own.count > 15
        else { return nil }
        // utime, stime, and those of the children that were waited for.
        var ticks = own[11...14].compactMap { Double($0) }.reduce(0, +)
        let entries: [String]
        do {
            entries = try FileManager.default.contentsOfDirectory(atPath: "/proc")
        } catch {
            return nil
        }
        for entry in entries {
            guard let child = Int32(entry), let fields = statFields(child), fields.count > 15,
                fields[1] == "\(postmaster)"
            else { continue }
            ticks += fields[11...12].compactMap { Double($0) }.reduce(0, +)
        }
        return ticks / ticksPerSecond
    }

    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// The fields behind the command's name, which may hold blanks: state, parent, …
    private static func statFields(_ processID: Int32) -> [Substring]? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(processID)/stat") else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
    }

    private static func peak(_ processID: Int32) -> Int {
        guard let data = FileManager.default.contents(atPath: "/proc/\(processID)/status") else { return 0 }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("VmHWM:") }
        return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) * 1024
    }
}
