/// `poll` on a connection's socket and on what may interrupt the wait.
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

enum SocketWait {
    /// Whether the socket has news: something to read, room to write if `writing`, or its end. Also returns, with false,
    /// when `wakeup` is signalled or the time is over; nil waits for ever.
    static func news(
        on socket: Int32,
        writing: Bool = false,
        wakeup: Wakeup? = nil,
        until: ContinuousClock.Instant?
    ) -> Bool {
        var waiting = [
            pollfd(fd: wakeup?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0), revents: 0),
        ]
        _ = poll(&waiting, nfds_t(waiting.count), milliseconds(until: until))
        return waiting[1].revents != 0
    }

    /// Rounded up, so that the wait does not end just before its time; -1 for no end.
    private static func milliseconds(until: ContinuousClock.Instant?) -> Int32 {
        guard let until else { return -1 }
        let (seconds, attoseconds) = (until - ContinuousClock.now).components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return Int32(min(seconds, 3600) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
