/// What speaks TLS before a server that does not, as a load balancer would.
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Listens on a free port of loopback, with a certificate that can be changed while it runs.
struct TLSFront: Sendable {
    private typealias Bytes = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let port: Int
    private let shown: Shown

    /// What the next connection gets.
    private final class Shown: Sendable {
        private let context: Mutex<NIOSSLContext>

        init(_ context: NIOSSLContext) { self.context = Mutex(context) }

        var current: NIOSSLContext {
            get { context.withLock(\.self) }
            set { context.withLock { $0 = newValue } }
        }
    }

    /// - Parameters:
    ///   - port: where the plain server is, on 127.0.0.1.
    ///   - newest: the newest version of TLS that is spoken.
    static func with<Result: Sendable>(
        to port: Int,
        showing certificate: TestAuthority.Issued,
        newest: TLSVersion = .tlsv13,
        _ body: (TLSFront) async throws -> Result
    ) async throws -> Result {
        let shown = Shown(try context(certificate, newest))
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: shown.current))
                    return try Bytes(wrappingChannelSynchronously: channel)
                }
            }
        let front = TLSFront(port: listener.channel.localAddress?.port ?? 0, shown: shown)
        let forwarding = Task { try await forward(listener, to: port) }
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(front))
        } catch {
            outcome = .failure(error)
        }
        forwarding.cancel()
        // That it was cancelled is how it ends.
        _ = await forwarding.result
        return try outcome.get()
    }

    /// From now on each new connection gets this certificate.
    func show(_ certificate: TestAuthority.Issued) throws { shown.current = try Self.context(certificate, .tlsv13) }

    private static func context(_ issued: TestAuthority.Issued, _ newest: TLSVersion) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(issued.certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: issued.key, format: .pem))
        )
        configuration.minimumTLSVersion = .tlsv1
        configuration.maximumTLSVersion = newest
        return try NIOSSLContext(configuration: configuration)
    }

    private static func forward(_ listener: NIOAsyncChannel<Bytes, Never>, to port: Int) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await listener.executeThenClose { connections in
                for try await client in connections {
                    group.addTask {
                        do {
                            try await exchange(client, port)
                        } catch {
                            // Handshakes that fail and clients that hang up are what the tests are about.
                        }
                    }
                }
            }
        }
    }

    private static func exchange(_ client: Bytes, _ port: Int) async throws {
        let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try Bytes(wrappingChannelSynchronously: channel) }
            }
        try await client.executeThenClose { fromClient, toClient in
            try await server.executeThenClose { fromServer, toServer in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { for try await bytes in fromClient { try await toServer.write(bytes) } }
                    group.addTask { for try await bytes in fromServer { try await toClient.write(bytes) } }
                    try await group.next()
                    group.cancelAll()
                }
            }
        }
    }
}
