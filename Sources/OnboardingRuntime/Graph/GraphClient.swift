/// Sends a request and reports what became of it. It never throws: whether a call may have left is its most important answer.
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Onboarding
import Synchronization

/// What a call does not carry in its request: where Graph is, and as whom we speak.
struct GraphSettings: Sendable {
    /// Without a slash at the end. Plain http to loopback only.
    var baseURL: String
    /// `vNN.N`
    var version: String
    /// Whether each call with a token proves that it comes from the app's owner (Meta, "Secure Graph API calls").
    var sendsAppSecretProof: Bool
    /// The authorities whose certificates are trusted; nil for the system's.
    var authorities: [NIOSSLCertificate]?
}

struct GraphClient: Sendable {
    /// An answer is at most this long; what is longer is not Graph's.
    static let bodyBytesMax = 1 << 20

    private let pools: Pools
    private let settings: GraphSettings

    init(http: Pools, settings: GraphSettings) {
        pools = http
        self.settings = settings
    }

    /// HTTP clients that share the calls in turn: each looks through all of its connections twice a call, so that a thousand
    /// in one cost a twentieth of the worker's time.
    final class Pools: Sendable {
        private let clients: [HTTPClient]
        private let turn = Atomic<Int>(0)
        private static let connectionsInOne = 32

        /// - Parameter authorities: whose certificates are trusted; nil for the system's.
        init(connectionsMax: Int, authorities: [NIOSSLCertificate]? = nil) {
            let count = (connectionsMax + Self.connectionsInOne - 1) / Self.connectionsInOne
            clients = (0..<max(count, 1)).map { _ in
                // No call waits in one for a connection that another has to spare: how many calls there are is limited before.
                GraphClient.makeHTTPClient(connectionsMax: connectionsMax, authorities: authorities)
            }
        }

        var next: HTTPClient {
            let place = turn.wrappingAdd(1, ordering: .relaxed).newValue & Int.max
            return clients[place % clients.count]
        }

        func shutdown() async throws {
            for client in clients { try await client.shutdown() }
        }
    }

    /// Every option that matters written out: no redirects, since a token must not follow one; no retries, since a call
    /// that may have left is not repeated blindly; a bounded time to connect.
    private static func makeHTTPClient(connectionsMax: Int, authorities: [NIOSSLCertificate]?) -> HTTPClient {
        var tls = TLSConfiguration.makeClientConfiguration()
        // Of itself the library would speak TLS 1.0 (RFC 8996 deprecates 1.0 and 1.1).
        tls.minimumTLSVersion = .tlsv12
        tls.certificateVerification = .fullVerification
        if let authorities { tls.trustRoots = .certificates(authorities) }
        var configuration = HTTPClient.Configuration()
        configuration.tlsConfiguration = tls
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsMax
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(60)
        configuration.decompression = .disabled
        configuration.httpVersion = .http1Only
        // Nobody collects spans; to begin one for each call costs 3 % of the worker's time.
        configuration.tracing.tracer = nil
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// By way of the client's futures: its asynchronous interface costs twice the CPU, and its deadline ends with the head of
    /// an answer, so that a server that falls silent in the body would hold the call for ever.
    ///
    /// - Parameter seconds: for the whole call, connecting and the body included.
    func send(_ request: GraphRequest, credentials: Credentials, seconds: Double) async -> GraphAnswer {
        do {
            let message = try HTTPMessage.make(request, credentials: credentials, settings: settings)
            let call = try HTTPClient.Request(
                url: message.url,
                method: message.method,
                headers: message.headers,
                body: message.body.map { .byteBuffer($0) }
            )
            let deadline = NIODeadline.now() + .nanoseconds(Int64(max(seconds, 0) * 1_000_000_000))
            let task = pools.next.execute(request: call, delegate: AnswerCollector(), deadline: deadline)
            let answer = try await withTaskCancellationHandler {
                try await task.futureResult.get()
            } onCancel: {
                task.cancel()
            }
            return .answered(
                GraphResponse(
                    status: answer.status,
                    content: AnswerParser.content(of: answer.body, contentType: answer.contentType),
                    usage: answer.usage
                )
            )
        } catch let error as UnsendableRequest {
            return .notSent(reason: error.reason)
        } catch let error as AnswerCollector.TooLong {
            return .answered(
                GraphResponse(status: error.status, content: .unreadable("more than \(Self.bodyBytesMax) bytes"))
            )
        } catch {
            return Self.answer(for: error)
        }
    }

    /// Only what provably happened before the first byte left counts as not sent.
    private static func answer(for error: any Error) -> GraphAnswer {
        switch error {
        case let error as HTTPClientError where unsentErrors.contains { $0.shortDescription == error.shortDescription }:
            .notSent(reason: error.shortDescription)
        case is NIOConnectionError:
            .notSent(reason: "no connection")
        // An address that is a number is connected to without the wrapper above.
        case let error as IOError where [ECONNREFUSED, EADDRNOTAVAIL, EMFILE, ENFILE].contains(error.errnoCode):
            .notSent(reason: "no connection")
        case NIOSSLError.handshakeFailed(let cause):
            .notSent(reason: handshakeReason(cause))
        case let error as NIOSSLExtraError where unsentTLSErrors.contains(error):
            .notSent(reason: "no TLS: the server's certificate is for another host")
        case let error as HTTPClientError:
            .effectUnknown(reason: error.shortDescription)
        case is CancellationError:
            .effectUnknown(reason: "cancelled")
        default:
            .effectUnknown(reason: "\(type(of: error))")
        }
    }

    /// The handshake comes before the first byte of a request. BoringSSL names its errors in its own words alone.
    private static func handshakeReason(_ cause: BoringSSLError) -> String {
        let words = "\(cause)"
        if words.contains("CERTIFICATE_VERIFY_FAILED") {
            return "no TLS: the server's certificate has expired, or is of an authority that is not trusted here"
        }
        if ["UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "WRONG_VERSION_NUMBER"].contains(where: words.contains) {
            return "no TLS: the server does not speak TLS 1.2 or later"
        }
        return "no TLS"
    }

    /// The server's certificate is another's.
    private static let unsentTLSErrors: [NIOSSLExtraError] = [
        .failedToValidateHostname, .serverHostnameImpossibleToMatch, .cannotUseIPAddressInSNI,
    ]

    /// Compared by their names: some carry a value.
    private static let unsentErrors: [HTTPClientError] = [
        .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout,
        .serverOfferedUnsupportedApplicationProtocol(""),
        .alreadyShutdown, .invalidURL, .emptyHost, .emptyScheme, .httpProxyHandshakeTimeout, .shutdownUnsupported,
        .unsupportedScheme(""), .invalidHeaderFieldNames([]), .invalidHeaderFieldValues([]),
    ]
}

/// Collects one answer, up to the limit.
private final class AnswerCollector: HTTPClientResponseDelegate {
    struct Answer: Sendable {
        var status = 0
        var contentType: String?
        var appUsage: String?
        var businessUsage: String?
        var retryAfter: String?
        var body: [UInt8] = []

        var usage: Usage {
            guard appUsage != nil || businessUsage != nil || retryAfter != nil else { return .none }
            return Usage(
                app: appUsage.flatMap { AnswerParser.json(in: $0) },
                business: businessUsage.flatMap { AnswerParser.json(in: $0) },
                retryAfter: retryAfter
            )
        }
    }

    /// The body is longer than any of Graph's.
    struct TooLong: Error {
        let status: Int
    }

    private let answer = Mutex(Answer())

    func didReceiveHead(task: HTTPClient.Task<Answer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        answer.withLock {
            $0.status = Int(head.status.code)
            $0.contentType = head.headers.first(name: "content-type")
            $0.appUsage = head.headers.first(name: "x-app-usage")
            $0.businessUsage = head.headers.first(name: "x-business-use-case-usage")
            $0.retryAfter = head.headers.first(name: "retry-after")
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Answer>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let status = answer.withLock { answer -> Int? in
            guard answer.body.count + buffer.readableBytes <= GraphClient.bodyBytesMax else { return answer.status }
            answer.body.append(contentsOf: buffer.readableBytesView)
            return nil
        }
        guard let status else { return task.eventLoop.makeSucceededVoidFuture() }
        return task.eventLoop.makeFailedFuture(TooLong(status: status))
    }

    func didFinishRequest(task: HTTPClient.Task<Answer>) -> Answer { answer.withLock(\.self) }
}

/// A request that cannot be built, by name. Nothing of its values.
struct UnsendableRequest: Error {
    let reason: String
}
