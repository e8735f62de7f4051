/// Where log lines go: a disk that may be full, or a pipe that nobody reads any more. Work goes on without its log.
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes lines to a descriptor. A line that cannot be written is dropped and counted, and the next one that can be written is
/// preceded by the count.
final class LogSink: Sendable {
    static let standardError = LogSink(STDERR_FILENO)

    private struct State {
        var lost = 0
        /// The last line was written in part.
        var isCutOff = false
    }

    private let descriptor: Int32
    private let state = Mutex(State())

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// - Parameters:
    ///   - line: without its end.
    ///   - lossLine: the line that says how many were lost.
    func write(_ line: String, lossLine: (Int) -> String) {
        state.withLock { state in
            var text = state.isCutOff ? "\n" : ""
            if state.lost > 0 { text += lossLine(state.lost) + "\n" }
            let before = text.utf8.count
            text += line + "\n"
            let written = put(Array(text.utf8))
            if written > 0 { state.isCutOff = written < text.utf8.count }
            if written == text.utf8.count {
                state.lost = 0
            } else {
                // What was said of earlier losses counts as said.
                state.lost = written >= before ? 1 : state.lost + 1
            }
        }
    }

    /// Returns how many bytes were written.
    private func put(_ bytes: [UInt8]) -> Int {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        return written
    }

    private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes, count)
        #elseif canImport(Darwin)
            Darwin.write(descriptor, bytes, count)
        #endif
    }
}
