/// A Graph API that knows one answer a path and thinks about nothing: so that a benchmark measures the worker.
import Foundation
import NIOCore
import NIOHTTP1
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
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
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
            if let place = uri.range(of: "&code=") {
                state.codes[String(uri[place.upperBound...].prefix { $0 != "&" })] = now
            }
        }
    }

    /// By the end of the path.
    fileprivate static func answer(to uri: String) -> String {
        let path = uri.prefix { $0 != "?" }
        return if path.hasSuffix("access_token") {
            #"{"access_token":"EAABenchmark","token_type":"bearer"}"#
        } else if path.hasSuffix("messages") {
            #"{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.1"}]}"#
        } else if path.hasSuffix("smb_app_data") {
            #"{"messaging_product":"whatsapp","request_id":"1"}"#
        } else {
            #"{"success":true}"#
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let responder: FixedResponder
        private let latency: TimeAmount
        private var uri = ""

        init(responder: FixedResponder, latency: TimeAmount) {
            self.responder = responder
            self.latency = latency
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): uri = head.uri
            case .body: break
            case .end:
                let uri = uri
                if uri == "/seen" {
                    do {
                        let seen = try JSONEncoder().encode(responder.seen)
                        write(String(decoding: seen, as: UTF8.self), context)
                    } catch {
                        context.close(promise: nil)
                    }
                    return
                }
                if uri == "/forget" {
                    responder.forget()
                    return write("{}", context)
                }
                responder.note(uri)
                let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: latency) {
                    bound.value.0.write(FixedResponder.answer(to: uri), bound.value.1)
                }
            }
        }

        private func write(_ body: String, _ context: ChannelHandlerContext) {
            let headers: HTTPHeaders = ["content-type": "application/json", "content-length": "\(body.utf8.count)"]
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
