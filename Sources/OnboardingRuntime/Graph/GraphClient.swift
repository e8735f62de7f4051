/// Sends a request and reports what became of it. It never throws: whether a call may have left is its most important answer.
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Onboarding

/// What a call does not carry in its request: where Graph is, and as whom we speak.
struct GraphSettings: Sendable {
    /// Without a slash at the end. Plain http to loopback only.
    var baseURL: String
    /// `vNN.N`
    var version: String
    /// Whether each call with a token proves that it comes from the app's owner (Meta, "Secure Graph API calls").
    var sendsAppSecretProof: Bool
}

struct GraphClient: Sendable {
    /// An answer is at most this long; what is longer is not Graph's.
    static let bodyBytesMax = 1 << 20

    private let http: HTTPClient
    private let settings: GraphSettings

    init(http: HTTPClient, settings: GraphSettings) {
        self.http = http
        self.settings = settings
    }

    /// Every option that matters written out: no redirects, since a token must not follow one; no retries, since a call
    /// that may have left is not repeated blindly; a bounded time to connect.
    static func makeHTTPClient(connectionsMax: Int) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsMax
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(60)
        configuration.decompression = .disabled
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// - Parameter seconds: for the whole call, connecting included.
    func send(_ request: GraphRequest, credentials: Credentials, seconds: Double) async -> GraphAnswer {
        let message: HTTPClientRequest
        do throws(UnsendableRequest) {
            message = try HTTPMessage.make(request, credentials: credentials, settings: settings)
        } catch {
            return .notSent(reason: error.reason)
        }
        do {
            let deadline = NIODeadline.now() + .nanoseconds(Int64(max(seconds, 0) * 1_000_000_000))
            let response = try await http.execute(message, deadline: deadline)
            let body: ByteBuffer
            do {
                body = try await Self.collect(response.body, until: deadline)
            } catch is NIOTooManyBytesError {
                return .answered(
                    GraphResponse(
                        status: Int(response.status.code),
                        content: .unreadable("more than \(Self.bodyBytesMax) bytes")
                    )
                )
            }
            return .answered(
                GraphResponse(
                    status: Int(response.status.code),
                    content: AnswerParser.content(
                        of: Array(body.readableBytesView),
                        contentType: response.headers.first(name: "content-type")
                    )
                )
            )
        } catch {
            return Self.answer(for: error)
        }
    }

    /// The client's own deadline ends with the head of an answer: without this one a server that falls silent in the
    /// body would hold the call for ever.
    private static func collect(_ body: HTTPClientResponse.Body, until deadline: NIODeadline) async throws -> ByteBuffer
    {
        try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await body.collect(upTo: bodyBytesMax) }
            group.addTask {
                try await Task.sleep(for: .nanoseconds(max((deadline - .now()).nanoseconds, 0)))
                throw HTTPClientError.deadlineExceeded
            }
            guard let first = try await group.next() else { throw HTTPClientError.deadlineExceeded }
            return first
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
        case NIOSSLError.handshakeFailed:
            .notSent(reason: "no TLS")
        case let error as NIOSSLExtraError where unsentTLSErrors.contains(error):
            .notSent(reason: "no TLS")
        case let error as HTTPClientError:
            .effectUnknown(reason: error.shortDescription)
        case is CancellationError:
            .effectUnknown(reason: "cancelled")
        default:
            .effectUnknown(reason: "\(type(of: error))")
        }
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

/// A request that cannot be built, by name. Nothing of its values.
struct UnsendableRequest: Error {
    let reason: String
}
