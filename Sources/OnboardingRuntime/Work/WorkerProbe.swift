/// Asks a worker of this machine how it is, for probes of containers and for people.
import AsyncHTTPClient
import NIOCore
import NIOHTTP1

public struct WorkerProbe: Sendable {
    public enum Question: String, Sendable {
        /// The process is alive.
        case healthz
        /// It takes work.
        case readyz
    }

    public struct Answer: Sendable, Equatable {
        public let isGood: Bool
        /// What it said, at most 4 KiB.
        public let text: String
        /// Such as "127.0.0.1:9464".
        public let address: String
    }

    /// Ports that a worker tries behind the default one when that is taken.
    static let portsMax = 100
    private static let answerBytesMax = 4096

    private let host: String
    private let ports: Range<Int>

    /// - Throws: `SettingsErrors` when `EMBARK_LISTEN` is malformed.
    public init(sources: SettingSources) throws {
        let listen = try ListenAddress(sources: sources)
        // An address that stands for all of the machine's is asked at its own.
        host = ["0.0.0.0", "*"].contains(listen.host) ? "127.0.0.1" : listen.host
        ports = listen.port..<(listen.port + (listen.isDefault ? Self.portsMax : 1))
    }

    /// The first worker's answer; nil when no worker answered. At the default address another program may sit, and the worker
    /// behind it at one of the next ports: what does not answer as a worker is passed over.
    ///
    /// - Parameter limit: for all of it.
    public func ask(_ question: Question, limit: Duration) async -> Answer? {
        let end = ContinuousClock.now + limit
        for port in ports where port <= 65_535 {
            let left = end - .now
            guard left > .zero else { return nil }
            let request = HTTPClientRequest(url: "http://\(host):\(port)/\(question.rawValue)")
            do {
                let time = TimeAmount.nanoseconds(Int64(left / .nanoseconds(1)))
                let response = try await HTTPClient.shared.execute(request, timeout: time)
                let body = String(buffer: try await response.body.collect(upTo: Self.answerBytesMax))
                guard body.wholeMatch(of: /(?:ok\n|(?:(?:ok|NOT OK)  [^\n]*\n)*)/) != nil, !body.isEmpty else {
                    continue
                }
                return Answer(isGood: response.status.code == 200, text: body, address: "\(host):\(port)")
            } catch {
                // Nobody there, or nobody who speaks HTTP.
                continue
            }
        }
        return nil
    }
}
