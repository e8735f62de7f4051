/// The simulator's HTTP server, on NIO itself: a framework would not reset a connection or stop half-way on purpose.
import Foundation
public import NIOCore
import NIOHTTP1
import NIOPosix

public struct SimulatorServer: Sendable {
    /// A silent answer ends when the client gives up, or after this long.
    static let silenceMax = TimeAmount.seconds(120)

    private let channel: any Channel

    /// Listens on loopback: it hands out tokens to whoever asks.
    ///
    /// - Parameters:
    ///   - port: 0 for a free one.
    ///   - latency: how long each answer is held back, drawn evenly.
    public static func start(
        _ simulator: Simulator,
        host: String = "127.0.0.1",
        port: Int = 0,
        latency: ClosedRange<TimeAmount> = .zero ... .zero
    ) async throws -> SimulatorServer {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(CallHandler(simulator: simulator, latency: latency))
                }
            }
        return SimulatorServer(channel: try await bootstrap.bind(host: host, port: port).get())
    }

    public var port: Int { channel.localAddress?.port ?? 0 }

    /// Stops listening.
    public func stop() async throws { try await channel.close() }

    /// Returns when the server has been stopped.
    public func waitUntilStopped() async throws { try await channel.closeFuture.get() }
}

/// Collects one request after another of a connection and answers it, or does not.
private final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private static let bodyBytesMax = 1 << 20

    private let simulator: Simulator
    private let latency: ClosedRange<TimeAmount>
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(simulator: Simulator, latency: ClosedRange<TimeAmount>) {
        self.simulator = simulator
        self.latency = latency
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part):
            guard body.readableBytes + part.readableBytes <= Self.bodyBytesMax else {
                return context.close(promise: nil)
            }
            body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            self.head = nil
            let (reply, delivery) = simulator.answer(
                method: head.method.rawValue,
                uri: head.uri,
                headers: { head.headers.first(name: $0) },
                body: String(buffer: body)
            )
            deliver(reply, delivery, context, keepAlive: head.isKeepAlive)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func deliver(
        _ reply: GraphReply,
        _ delivery: Simulator.Delivery,
        _ context: ChannelHandlerContext,
        keepAlive: Bool
    ) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        switch delivery {
        case .whole where latency.upperBound == .zero:
            write(reply, context, keepAlive: keepAlive)
        case .whole:
            let wait = Int64.random(in: latency.lowerBound.nanoseconds...latency.upperBound.nanoseconds)
            context.eventLoop.scheduleTask(in: .nanoseconds(wait)) {
                let (handler, context) = bound.value
                handler.write(reply, context, keepAlive: keepAlive)
            }
        case .reset:
            // Closing with a linger of zero sends RST.
            guard let provider = context.channel as? any SocketOptionProvider else {
                return context.close(promise: nil)
            }
            provider.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in bound.value.1.close(promise: nil)
            }
        case .silent:
            context.eventLoop.scheduleTask(in: SimulatorServer.silenceMax) { bound.value.1.close(promise: nil) }
        case .half:
            writeHead(reply, context, keepAlive: false)
            context.writeAndFlush(
                wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: String(reply.body.prefix(reply.body.count / 2))))))
            )
            .whenComplete { _ in bound.value.1.close(promise: nil) }
        case .wrongLength:
            writeHead(reply, context, keepAlive: false, length: reply.body.utf8.count + 100)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: reply.body)))))
                .whenComplete { _ in bound.value.1.close(promise: nil) }
        case .huge(let bytes):
            writeHead(reply, context, keepAlive: false, length: bytes)
            flood(bytes, bound)
        case .byteByByte:
            writeHead(reply, context, keepAlive: keepAlive)
            context.flush()
            trickle(Array(reply.body.utf8)[...], bound)
        }
    }

    private func write(_ reply: GraphReply, _ context: ChannelHandlerContext, keepAlive: Bool) {
        writeHead(reply, context, keepAlive: keepAlive)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: reply.body)))), promise: nil)
        let done = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !keepAlive {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            done.whenComplete { _ in bound.value.close(promise: nil) }
        }
    }

    private func writeHead(
        _ reply: GraphReply,
        _ context: ChannelHandlerContext,
        keepAlive: Bool,
        length: Int? = nil
    ) {
        var headers = HTTPHeaders()
        for (name, value) in reply.headers { headers.add(name: name, value: value) }
        if headers["content-type"].isEmpty {
            headers.add(name: "content-type", value: "application/json; charset=UTF-8")
        }
        headers.add(name: "content-length", value: "\(length ?? reply.body.utf8.count)")
        if !keepAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: .http1_1,
            status: HTTPResponseStatus(statusCode: reply.status),
            headers: headers
        )
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    /// Blanks, a piece at a time: the next one when the client has taken the last.
    private func flood(_ rest: Int, _ bound: NIOLoopBound<(CallHandler, ChannelHandlerContext)>) {
        let context = bound.value.1
        guard rest > 0, context.channel.isActive else { return context.close(promise: nil) }
        let piece = min(rest, 1 << 16)
        let blanks = ByteBuffer(repeating: UInt8(ascii: " "), count: piece)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(blanks)))).whenComplete { _ in
            bound.value.0.flood(rest - piece, bound)
        }
    }

    /// A byte a second. The end goes with the last one: the client may have its next call ready as soon as it has read that.
    private func trickle(_ rest: ArraySlice<UInt8>, _ bound: NIOLoopBound<(CallHandler, ChannelHandlerContext)>) {
        let context = bound.value.1
        guard context.channel.isActive else { return }
        if let byte = rest.first {
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: [byte])))), promise: nil)
        }
        guard rest.count > 1 else {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            return
        }
        context.eventLoop.scheduleTask(in: .seconds(1)) {
            bound.value.0.trickle(rest.dropFirst(), bound)
        }
    }
}
