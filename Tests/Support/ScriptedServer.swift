/// A server that a test scripts byte by byte: it can hang up, lie about lengths, and keep silent.
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs `script` for each connection, on a thread of its own, and closes the connection when the script returns.
public final class ScriptedServer: Sendable {
    public let port: UInt16
    private let listener: Int32
    private let received = Mutex([String]())

    public init(_ script: @escaping @Sendable (Peer) -> Void) throws {
        listener = Self.tcpSocket()
        port = try Self.listen(listener)
        let listener = listener
        DispatchQueue(label: "support.scripted-server").async {
            var count = 0
            while true {
                let socket = accept(listener, nil, nil)
                guard socket >= 0 else { break }
                let peer = Peer(socket: socket, number: count, server: self)
                count += 1
                DispatchQueue(label: "support.scripted-server.peer").async {
                    script(peer)
                    peer.close()
                }
            }
            Self.close(listener)
        }
    }

    /// Where it listens, without a slash at the end.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// Each request that has arrived whole, in order of arrival, over all connections.
    public var requests: [String] { received.withLock(\.self) }

    /// Accepts no more; its port refuses connections from then on.
    public func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    /// A port on loopback at which nothing listens.
    public static func refusedPort() throws -> UInt16 {
        let socket = tcpSocket()
        defer { close(socket) }
        return try bound(socket)
    }

    /// One connection.
    public struct Peer: Sendable {
        let socket: Int32
        /// From 0, in order of arrival.
        public let number: Int
        let server: ScriptedServer

        /// Reads a request with its body of Content-Length; nil when the client hangs up before it is whole.
        @discardableResult public func readRequest() -> String? {
            var text = ""
            var bodyBytes: Int?
            while true {
                var bytes = [UInt8](repeating: 0, count: 65_536)
                let count = recv(socket, &bytes, bytes.count, 0)
                guard count > 0 else { return nil }
                text += String(decoding: bytes[..<count], as: UTF8.self)
                guard let end = text.firstRange(of: "\r\n\r\n") else { continue }
                if bodyBytes == nil {
                    let length = text[..<end.lowerBound].lowercased().firstMatch(of: /content-length: ([0-9]+)/)
                    bodyBytes = length.flatMap { Int($0.output.1) } ?? 0
                }
                if text[end.upperBound...].utf8.count >= bodyBytes ?? 0 {
                    let whole = text
                    server.received.withLock { $0.append(whole) }
                    return whole
                }
            }
        }

        /// False once the client is gone.
        @discardableResult public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

        @discardableResult public func write(_ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let more = bytes[sent...].withUnsafeBytes {
                    send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard more > 0 else { return false }
                sent += more
            }
            return true
        }

        /// An answer with a true length.
        @discardableResult public func answer(_ body: String, status: String = "200 OK", headers: String = "") -> Bool {
            write("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
        }

        /// Waits for the client to hang up, and tells whether it has.
        @discardableResult public func hungUp(within seconds: Int) -> Bool {
            var waiting = [pollfd(fd: socket, events: Int16(POLLIN), revents: 0)]
            guard poll(&waiting, 1, Int32(seconds * 1000)) > 0 else { return false }
            var byte: UInt8 = 0
            return recv(socket, &byte, 1, Int32(MSG_PEEK)) <= 0
        }

        /// The close that follows is a reset: what is under way is thrown away on both sides.
        public func resetOnClose() {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }

        func close() { ScriptedServer.close(socket) }
    }

    private static func close(_ socket: Int32) {
        #if canImport(Glibc)
            _ = Glibc.close(socket)
        #elseif canImport(Darwin)
            _ = Darwin.close(socket)
        #endif
    }

    private static func tcpSocket() -> Int32 {
        #if canImport(Glibc)
            socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #elseif canImport(Darwin)
            socket(AF_INET, SOCK_STREAM, 0)
        #endif
    }

    private static func listen(_ socket: Int32) throws -> UInt16 {
        let port = try bound(socket)
        #if canImport(Glibc)
            let result = Glibc.listen(socket, 64)
        #elseif canImport(Darwin)
            let result = Darwin.listen(socket, 64)
        #endif
        guard result == 0 else { throw SupportError("no port for the scripted server") }
        return port
    }

    /// Takes a free port of loopback.
    private static func bound(_ socket: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(socket, address, length) == 0 ? getsockname(socket, address, &length) : -1
            }
        }
        guard result == 0 else { throw SupportError("no free port on loopback") }
        return UInt16(bigEndian: address.sin_port)
    }
}
