import Dispatch
import Synchronization

/// A network between a client and a server that a test can freeze or cut.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Forwards bytes from a port of its own on loopback to another port on loopback.
public final class TCPProxy: Sendable {
    private enum Mode {
        case forwarding
        /// What the client sends arrives, and nothing comes back.
        case answersFrozen
        /// Connections stay open and new ones are accepted by the system, but no byte moves: a half-open network.
        case frozen
        case closed
    }

    /// Where clients connect.
    public let port: UInt16
    private let listener: Int32
    private let mode = Mutex(Mode.forwarding)
    private let accepted = Atomic(0)
    private let holdsHangUps = Atomic(false)
    /// Wakes the forwarding thread: reading end, writing end.
    private let wakeup: (Int32, Int32)

    /// Begins to forward to `port` on 127.0.0.1.
    public init(to port: UInt16) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SupportError("no pipe") }
        wakeup = (ends[0], ends[1])
        listener = Self.tcpSocket()
        self.port = try Self.listen(listener)
        DispatchQueue(label: "support.proxy").async { self.forward(to: port) }
    }

    /// `url` with this proxy's port in place of its own.
    public func url(for url: String) throws -> String {
        guard let port = url.firstMatch(of: #/:([0-9]+)\//#) else { throw SupportError("a URL without a port") }
        return url.replacingCharacters(of: port.output.1, with: String(self.port))
    }

    /// How many connections have been forwarded so far.
    public var connectionCount: Int { accepted.load(ordering: .acquiring) }

    /// From now on neither side learns that the other has hung up.
    public func holdHangUps() { holdsHangUps.store(true, ordering: .releasing) }
    /// From now on the server receives and the client does not.
    public func freezeAnswers() { change(to: .answersFrozen) }
    /// From now on no byte moves.
    public func freeze() { change(to: .frozen) }
    /// Bytes that have piled up move again.
    public func thaw() { change(to: .forwarding) }
    /// Ends all connections and the proxy.
    public func close() { change(to: .closed) }

    private func change(to new: Mode) {
        mode.withLock { $0 = new }
        var byte: UInt8 = 1
        _ = write(wakeup.1, &byte, 1)
    }

    /// Runs on a thread of its own until the proxy is closed.
    private func forward(to target: UInt16) {
        var pairs: [(Int32, Int32)] = []
        var held: [Int32] = []
        loop: while true {
            var sockets = [wakeup.0]
            switch mode.withLock(\.self) {
            case .forwarding: sockets += [listener] + pairs.flatMap { [$0.0, $0.1] }
            case .answersFrozen: sockets += [listener] + pairs.map(\.0)
            case .frozen: break
            case .closed: break loop
            }
            let ready = Self.readable(sockets)
            if ready.contains(wakeup.0) {
                var byte: UInt8 = 0
                _ = read(wakeup.0, &byte, 1)
                continue
            }
            pairs.removeAll { client, server in
                let open =
                    (!ready.contains(client) || Self.move(from: client, to: server))
                    && (!ready.contains(server) || Self.move(from: server, to: client))
                if !open, holdsHangUps.load(ordering: .acquiring) {
                    held += [client, server]
                } else if !open {
                    Self.hangUp([client, server])
                }
                return !open
            }
            if ready.contains(listener) {
                let pair = (accept(listener, nil, nil), Self.tcpSocket())
                if Self.withLoopback(port: target, { connect(pair.1, $0, $1) }) == 0 {
                    pairs.append(pair)
                    accepted.add(1, ordering: .releasing)
                } else {
                    Self.hangUp([pair.0, pair.1])
                }
            }
        }
        Self.hangUp(pairs.flatMap { [$0.0, $0.1] } + held + [listener, wakeup.0, wakeup.1])
    }

    private static func readable(_ sockets: [Int32]) -> Set<Int32> {
        var waiting = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&waiting, nfds_t(waiting.count), -1)
        return Set(waiting.filter { $0.revents != 0 }.map(\.fd))
    }

    /// Whether both sides are still there.
    private static func move(from: Int32, to: Int32) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(from, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        var sent = 0
        while sent < count {
            let more = send(to, Array(bytes[sent..<count]), count - sent, Int32(MSG_NOSIGNAL))
            guard more > 0 else { return false }
            sent += more
        }
        return true
    }

    static func hangUp(_ sockets: [Int32]) {
        #if canImport(Glibc)
            for socket in sockets { _ = Glibc.close(socket) }
        #elseif canImport(Darwin)
            for socket in sockets { _ = Darwin.close(socket) }
        #endif
    }

    static func tcpSocket() -> Int32 {
        #if canImport(Glibc)
            socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #elseif canImport(Darwin)
            socket(AF_INET, SOCK_STREAM, 0)
        #endif
    }

    /// Listens on a free port and returns it.
    static func listen(_ socket: Int32) throws -> UInt16 {
        #if canImport(Glibc)
            let listening = { Glibc.listen(socket, 64) }
        #elseif canImport(Darwin)
            let listening = { Darwin.listen(socket, 64) }
        #endif
        guard withLoopback(port: 0, { bind(socket, $0, $1) }) == 0, listening() == 0 else {
            throw SupportError("no port for the proxy")
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    static func withLoopback(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

extension String {
    fileprivate func replacingCharacters(of part: Substring, with new: String) -> String {
        String(self[..<part.startIndex]) + new + self[part.endIndex...]
    }
}
