/// Interrupts a thread that waits in `poll`: the one way by which another thread reaches a connection that is blocked.
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A pipe with itself: `signal` from any thread makes `descriptor` readable until `drain`.
final class Wakeup: Sendable {
    /// Poll this one for reading.
    let descriptor: Int32
    private let writer: Int32

    init() throws(PostgresError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PostgresError(.unreachable, "the process has no file descriptor left (errno \(errno))")
        }
        descriptor = ends[0]
        writer = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        close(descriptor)
        close(writer)
    }

    /// A full pipe is a signal that nobody has drained yet, so a failed write loses nothing.
    func signal() {
        var byte: UInt8 = 1
        _ = write(writer, &byte, 1)
    }

    func drain() {
        var bytes: (UInt64, UInt64) = (0, 0)
        while read(descriptor, &bytes, MemoryLayout.size(ofValue: bytes)) > 0 {}
    }
}
