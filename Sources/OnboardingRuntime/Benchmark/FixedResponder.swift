/// A Graph API that knows one answer a path and thinks about nothing: so that a benchmark measures the worker.
import Foundation
import NIOCore
import NIOPosix
import Synchronization

public final class FixedResponder: Sendable {
    /// What it has seen since it was last asked to forget.
    public struct Seen: Codable, Sendable {
        public var calls = 0
        /// Seconds on this machine's steady clock.
        public var first = 0.0
        public var last = 0.0
        public var cpuSeconds = 0.0
    }

    private struct State {
        var seen = Seen()
        /// When the call with each code came, for who asked to know.
        var codes: [String: ContinuousClock.Instant] = [:]
    }

    private let state = Mutex(State())
    private let latency: TimeAmount
    private let start = ContinuousClock.now

    /// - Parameter latencyMilliseconds: how long each answer is held back.
    public init(latencyMilliseconds: Int64) { latency = .milliseconds(latencyMilliseconds) }

    /// Listens on a free port of loopback and returns it.
    public func listen() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 4096)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(responder: self, latency: self.latency))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return channel.localAddress?.port ?? 0
    }

    public var seen: Seen {
        var seen = state.withLock(\.seen)
        seen.cpuSeconds = ProcessUsage(processID: getpid())?.cpuSeconds ?? 0
        return seen
    }

    public func forget() { state.withLock { $0 = State() } }

    /// When the exchange of this code arrived.
    public func arrival(of code: String) -> ContinuousClock.Instant? { state.withLock { $0.codes[code] } }

    fileprivate func note(_ uri: String) {
        let now = ContinuousClock.now
        let seconds = (now - start) / .seconds(1)
        state.withLock { state in
            if state.seen.calls == 0 { state.seen.first = seconds }
            state.seen.calls += 1
            state.seen.last = seconds
            if uri.hasSuffix("messages") || uri.hasSuffix("smb_app_data") { return }
            if let place = uri.range(of: "&code=") {
                state.codes[String(uri[place.upperBound...].prefix { $0 != "&" })] = now
            }
        }
    }

    /// As bare as it can be, so that the worker is measured and not what it talks to: it looks for the end of a request and
    /// writes an answer that was made beforehand.
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let responder: FixedResponder
        private let latency: TimeAmount
        private var received = ByteBuffer()

        init(responder: FixedResponder, latency: TimeAmount) {
            self.responder = responder
            self.latency = latency
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = unwrapInboundIn(data)
            received.writeBuffer(&part)
            while let uri = takeRequest() {
                if uri == "/seen" {
                    do {
                        let seen = try JSONEncoder().encode(responder.seen)
                        context.writeAndFlush(
                            wrapOutboundOut(Answers.made(String(decoding: seen, as: UTF8.self))),
                            promise: nil
                        )
                    } catch {
                        context.close(promise: nil)
                    }
                    continue
                }
                responder.note(uri)
                let answer = Answers.answer(to: uri)
                let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: latency) {
                    bound.value.1.writeAndFlush(bound.value.0.wrapOutboundOut(answer), promise: nil)
                }
            }
        }

        /// The next whole request's target; nil as long as there is none.
        private func takeRequest() -> String? {
            let request: (uri: String, bytes: Int)? = received.withUnsafeReadableBytes { bytes in
                guard let head = Self.place(of: "\r\n\r\n", in: bytes) else { return nil }
                let whole = head + 4 + Self.contentLength(in: UnsafeRawBufferPointer(rebasing: bytes[..<head]))
                guard bytes.count >= whole,
                    let from = bytes.firstIndex(of: UInt8(ascii: " ")),
                    let to = bytes[(from + 1)...].firstIndex(of: UInt8(ascii: " "))
                else { return nil }
                return (String(decoding: bytes[(from + 1)..<to], as: UTF8.self), whole)
            }
            guard let request else { return nil }
            received.moveReaderIndex(forwardBy: request.bytes)
            if received.readableBytes == 0 { received.clear() }
            return request.uri
        }

        private static func contentLength(in head: UnsafeRawBufferPointer) -> Int {
            guard let name = place(of: "ontent-length: ", in: head) ?? place(of: "ontent-Length: ", in: head) else {
                return 0
            }
            return head[(name + 15)...].prefix { $0 >= 0x30 && $0 <= 0x39 }.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }

        /// A plain loop: the standard library's search costs three times what the whole answer does.
        private static func place(of text: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
            let wanted = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            var place = 0
            while place + wanted.count <= bytes.count {
                var matching = 0
                while matching < wanted.count, bytes[place + matching] == wanted[matching] { matching += 1 }
                if matching == wanted.count { return place }
                place += 1
            }
            return nil
        }
    }

    /// The fixed answers, by the end of the path.
    private enum Answers {
        static let token = made(#"{"access_token":"EAABenchmark","token_type":"bearer"}"#)
        static let message = made(
            #"{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.1"}]}"#
        )
        static let sync = made(#"{"messaging_product":"whatsapp","request_id":"1"}"#)
        static let success = made(#"{"success":true}"#)

        static func answer(to uri: String) -> ByteBuffer {
            let path = uri.utf8.prefix { $0 != UInt8(ascii: "?") }
            return if path.hasSuffix("access_token") {
                token
            } else if path.hasSuffix("messages") {
                message
            } else if path.hasSuffix("smb_app_data") {
                sync
            } else {
                success
            }
        }

        static func made(_ body: String) -> ByteBuffer {
            ByteBuffer(
                string:
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
            )
        }
    }
}

extension Substring.UTF8View {
    fileprivate func hasSuffix(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { suffix($0.count).elementsEqual($0) }
    }
}
