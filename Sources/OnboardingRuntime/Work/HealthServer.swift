/// What probes and Prometheus ask a worker over HTTP.
import Foundation
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// `/healthz`: the process is alive, also while it drains and while the database is away. `/readyz`: it takes work, with what
/// it found. `/metrics`: Prometheus text.
public struct HealthServer: Service {
    private let settings: WorkerSettings
    private let status: WorkerStatus
    private let metrics: WorkerMetrics
    private let logger: Logger

    /// Of more clients the others wait until one has gone: descriptors are for Graph and the database.
    static let connectionsMax = 64

    public init(settings: WorkerSettings, worker: Worker, logger: Logger) {
        self.settings = settings
        status = worker.status
        metrics = worker.metrics
        self.logger = logger
    }

    public func run() async throws {
        let router = Router()
        router.get("/healthz") { _, _ in "ok\n" }
        router.get("/readyz") { _, _ in
            let facts = status.readiness
            let text = facts.map { "\($0.isReady ? "ok" : "NOT OK")  \($0.name)\n" }.joined()
            return Response(
                status: facts.allSatisfy(\.isReady) ? .ok : .serviceUnavailable,
                body: .init(byteBuffer: .init(string: text))
            )
        }
        router.get("/metrics") { _, _ in
            metrics.holds(status.inFlight)
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: .init(string: metrics.registry.text()))
            )
        }
        // A default address that another worker of this machine has taken gives way to the next free port.
        for offset in 0..<(settings.listen.isDefault ? WorkerProbe.portsMax : 1) {
            let port = settings.listen.port + offset
            var quiet = Logger(label: "embark.http")
            quiet.logLevel = .critical
            let application = Application(
                router: router,
                server: .http1(configuration: .init(additionalChannelHandlers: [ConnectionEnd()])),
                configuration: .init(
                    address: .hostname(settings.listen.host, port: port),
                    availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax, logger: quiet)
                ),
                onServerRunning: { channel in
                    logger.info(
                        "health endpoint listens",
                        metadata: ["address": "\(settings.listen.host):\(channel.localAddress?.port ?? port)"]
                    )
                },
                logger: quiet
            )
            do {
                try await application.run()
                return
            } catch let error as IOError where error.errnoCode == EADDRINUSE && settings.listen.isDefault {
                continue
            }
        }
    }
}

/// Hangs up on a client whose time is over, whatever it does: one that sends a byte a second keeps no other from asking.
private final class ConnectionEnd: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    /// A probe takes milliseconds. Nobody scrapes at a multiple of this, and so just when the connection is closed.
    private static let age = TimeAmount.milliseconds(7_300)
    private var end: Scheduled<Void>?

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        end = channel.eventLoop.scheduleTask(in: Self.age) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end?.cancel() }
}
