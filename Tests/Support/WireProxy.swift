/// A network between a program and PostgreSQL that reads along: it loses one statement's request or one statement's answer, as
/// a cable does that is cut at the worst moment, and it can make the way longer.
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Forwards PostgreSQL's protocol, version 3, without TLS, from a port of its own on loopback.
public final class WireProxy: Sendable {
    /// Which of the two the client cannot tell apart: after either its connection is gone.
    public enum Loss: String, Sendable, CaseIterable {
        /// The server never gets the statement.
        case request
        /// The server has run it, and committed where that is the statement's end.
        case answer
    }

    private struct Trap {
        let loss: Loss
        let text: String
        var skips: Int
    }

    /// For the program: without TLS and GSSAPI, which nobody can read along.
    public let url: String
    private let target: UInt16
    private let listener: Int32
    private let trap = Mutex<Trap?>(nil)
    private let lost = Atomic(0)
    private let sockets = Mutex<[Int32]>([])
    /// Of each way, in microseconds.
    private let latency: UInt32

    /// - Parameters:
    ///   - serverURL: of a server on loopback.
    ///   - latency: how long each packet takes, in either direction.
    public init(to serverURL: String, latency: Duration = .zero) throws {
        guard let port = serverURL.firstMatch(of: #/:([0-9]+)\//#), let number = UInt16(port.output.1) else {
            throw SupportError("a URL without a port")
        }
        target = number
        self.latency = UInt32(latency / .microseconds(1))
        listener = TCPProxy.tcpSocket()
        let own = try TCPProxy.listen(listener)
        let separator = serverURL.contains("?") ? "&" : "?"
        url =
            serverURL.replacing(":\(port.output.1)/", with: ":\(own)/")
            + "\(separator)sslmode=disable&gssencmode=disable"
        DispatchQueue(label: "support.wire-proxy").async { self.accept() }
    }

    /// The next statement whose text contains `text` is lost, after so many that are not.
    public func lose(_ loss: Loss, of text: String, after skips: Int = 0) {
        trap.withLock { $0 = Trap(loss: loss, text: text, skips: skips) }
    }

    /// How many statements have been lost.
    public var losses: Int { lost.load(ordering: .acquiring) }

    /// Ends all connections and the proxy.
    public func close() {
        _ = shutdown(listener, Int32(SHUT_RDWR))
        for socket in sockets.withLock(\.self) { _ = shutdown(socket, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            #if canImport(Glibc)
                let client = Glibc.accept(listener, nil, nil)
            #else
                let client = Darwin.accept(listener, nil, nil)
            #endif
            guard client >= 0 else { break }
            let server = TCPProxy.tcpSocket()
            guard TCPProxy.withLoopback(port: target, { connect(server, $0, $1) }) == 0 else {
                TCPProxy.hangUp([client, server])
                continue
            }
            sockets.withLock { $0 += [client, server] }
            let session = Session(proxy: self, client: client, server: server)
            for work in [session.forwardRequests, session.forwardAnswers] {
                DispatchQueue(label: "support.wire-proxy.session").async { work() }
            }
        }
        TCPProxy.hangUp([listener])
    }

    private func isLost(_ text: String) -> Loss? {
        trap.withLock { trap in
            guard var found = trap, text.contains(found.text) else { return nil }
            guard found.skips == 0 else {
                found.skips -= 1
                trap = found
                return nil
            }
            trap = nil
            lost.add(1, ordering: .releasing)
            return found.loss
        }
    }

    /// One connection, with a thread for each direction.
    private final class Session: Sendable {
        let proxy: WireProxy
        let client: Int32
        let server: Int32
        /// Nothing of the server's reaches the client any more; the connection ends when the server is ready.
        private let isAnswerLost = Atomic(false)
        private let open = Atomic(2)

        init(proxy: WireProxy, client: Int32, server: Int32) {
            self.proxy = proxy
            self.client = client
            self.server = server
        }

        func forwardRequests() {
            var statements: [String: String] = [:]
            var messages = Messages(hasStart: true)
            reading: while let bytes = read(client) {
                for message in messages.take(bytes) {
                    if let loss = text(of: message, &statements).flatMap(proxy.isLost) {
                        guard loss == .answer else { break reading }
                        isAnswerLost.store(true, ordering: .sequentiallyConsistent)
                    }
                    guard send(message.bytes, to: server) else { break reading }
                }
            }
            end()
        }

        func forwardAnswers() {
            var messages = Messages(hasStart: false)
            reading: while let bytes = read(server) {
                for message in messages.take(bytes) {
                    guard isAnswerLost.load(ordering: .sequentiallyConsistent) else {
                        guard send(message.bytes, to: client) else { break reading }
                        continue
                    }
                    // ReadyForQuery: the transaction has ended.
                    if message.type == UInt8(ascii: "Z") { break reading }
                }
            }
            end()
        }

        /// The text that a request runs: of Query, or of what Bind names.
        private func text(of message: Messages.Message, _ statements: inout [String: String]) -> String? {
            let parts = message.bytes.dropFirst(5).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
            let words = parts.prefix(2).map { String(decoding: $0, as: UTF8.self) }
            switch message.type {
            case UInt8(ascii: "Q"): return words.first
            case UInt8(ascii: "P") where words.count == 2:
                statements[words[0]] = words[1]
                return nil
            case UInt8(ascii: "B") where words.count == 2: return statements[words[1]]
            default: return nil
            }
        }

        private func read(_ socket: Int32) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            if proxy.latency > 0 {
                // The way itself, not a wait for something; what comes meanwhile goes with it.
                guard recv(socket, &bytes, 1, Int32(MSG_PEEK)) > 0 else { return nil }
                usleep(proxy.latency)
            }
            let count = recv(socket, &bytes, bytes.count, 0)
            guard count > 0 else { return nil }
            return Array(bytes[..<count])
        }

        private func send(_ bytes: [UInt8], to socket: Int32) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let more = bytes[sent...].withUnsafeBytes {
                    #if canImport(Glibc)
                        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    #else
                        Darwin.send(socket, $0.baseAddress, $0.count, 0)
                    #endif
                }
                guard more > 0 else { return false }
                sent += more
            }
            return true
        }

        /// Cuts both sides; whoever comes second closes them.
        private func end() {
            for socket in [client, server] { _ = shutdown(socket, Int32(SHUT_RDWR)) }
            guard open.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
            proxy.sockets.withLock { $0.removeAll { $0 == client || $0 == server } }
            TCPProxy.hangUp([client, server])
        }
    }

    /// Bytes as whole messages: a type and a length that counts itself; a client's first one has no type.
    private struct Messages {
        struct Message {
            let type: UInt8
            /// With type and length.
            let bytes: [UInt8]
        }

        private var rest: [UInt8] = []
        private var isAtStart: Bool

        init(hasStart: Bool) { isAtStart = hasStart }

        mutating func take(_ bytes: [UInt8]) -> [Message] {
            rest += bytes
            var found: [Message] = []
            while true {
                let head = isAtStart ? 0 : 1
                guard rest.count >= head + 4 else { break }
                let length = rest[head..<head + 4].reduce(0) { $0 << 8 | Int($1) } + head
                guard rest.count >= length else { break }
                found.append(Message(type: isAtStart ? 0 : rest[0], bytes: Array(rest[..<length])))
                rest.removeFirst(length)
                isAtStart = false
            }
            return found
        }
    }
}
