/// Clients of the health endpoint that want to harm: the worker goes on with its work.
import Foundation
import Support
import Testing

@testable import OnboardingRuntime

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.database(.configured), .serialized, .timeLimit(.minutes(10))) struct HealthFloodTests {
    /// Connections to a port of loopback that are begun and never ended by this side.
    private struct Flood: ~Copyable {
        private(set) var sockets: [Int32] = []

        /// - Parameter text: what each sends, as far as the other side takes it at once.
        mutating func open(_ count: Int, at port: Int, sending text: String) {
            for _ in 0..<count {
                #if canImport(Glibc)
                    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                #else
                    let socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
                #endif
                guard socket >= 0 else { return }
                sockets.append(socket)
                _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = UInt16(port).bigEndian
                address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
                _ = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                _ = send(socket, text, text.utf8.count, Int32(MSG_NOSIGNAL))
            }
        }

        /// How many the other side has hung up on.
        func ended() -> Int {
            sockets.count { socket in
                var byte: UInt8 = 0
                let count = recv(socket, &byte, 1, Int32(MSG_PEEK))
                return count == 0 || count < 0 && errno == ECONNRESET
            }
        }

        deinit { for socket in sockets { close(socket) } }
    }

    /// As many as this process may open, and no more than ten thousand.
    private static var connectionsMax: Int {
        var limit = rlimit()
        #if canImport(Glibc)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #else
            getrlimit(RLIMIT_NOFILE, &limit)
        #endif
        return min(10_000, max(200, Int(clamping: limit.rlim_cur) - 1_000))
    }

    /// Connections to a port of loopback that its program has accepted and not let go, by Linux's own list. Those that wait
    /// to be accepted are nobody's yet: their inode is 0.
    private static func accepted(at port: Int) throws -> Int {
        let address = "0100007F:" + String(format: "%04X", port)
        let listening = "0A"
        // Foundation reads one page of a file that says that it is empty; a handle reads to the end.
        let list = try FileHandle(forReadingFrom: URL(filePath: "/proc/net/tcp")).readToEnd() ?? Data()
        return String(decoding: list, as: UTF8.self).split(separator: "\n").count { line in
            let parts = line.split(separator: " ")
            return parts.count > 9 && parts[1] == address && parts[3] != listening && parts[9] != "0"
        }
    }

    @Test
    func `Ten thousand connections, bytes that trickle and headers of a megabyte do not keep a worker from its work`()
        async throws
    {
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) {
                worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                var flood = Flood()
                flood.open(HealthServer.connectionsMax, at: worker.port, sending: "GET /healthz HTTP/1.1\r\nX: ")
                // Loopback takes only so many at once; the rest is as good as never sent.
                let header = "GET /metrics HTTP/1.1\r\nX: " + String(repeating: "x", count: 1 << 20)
                flood.open(20, at: worker.port, sending: header)
                flood.open(Self.connectionsMax, at: worker.port, sending: "GET /metrics HTTP/1.1\r\n")
                try await Customer.enqueue(1...20)
                try await eventually("all are completed", within: .seconds(60)) {
                    try await count("embark.signups WHERE state = 'completed'") == 20
                }
                // A few are accepted in one go before the limit is looked at.
                let accepted = try Self.accepted(at: worker.port)
                let most = HealthServer.connectionsMax + 16
                #expect(accepted > HealthServer.connectionsMax / 2 && accepted <= most, "\(accepted)")
                // Whoever trickles is hung up on, so that others have their turn.
                try await eventually("the first clients' time is over", within: .seconds(20)) { flood.ended() > 0 }
                _ = consume flood
                try await eventually("it answers again", within: .seconds(30)) {
                    try await worker.get("/healthz")?.status == 200
                }
                // Its own probe may be kept alive.
                try await eventually("the flood has run off", within: .seconds(30)) {
                    try Self.accepted(at: worker.port) <= 2
                }
            }
            #expect(result.code == 0)
        }
    }

    @Test func `Requests that are none get an answer or nothing, and the next probe gets its own`() async throws {
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) {
                worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                for text in [
                    "\0\0\0\0", "GET", "GET / HTTP/9.9\r\n\r\n", "POST /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    "GET /healthz HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 100_000) + "\r\n",
                    "GET /" + String(repeating: "a", count: 1 << 20) + " HTTP/1.1\r\n\r\n",
                    "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                    "\u{16}\u{3}\u{1}\u{2}",
                ] {
                    var client = Flood()
                    client.open(1, at: worker.port, sending: text)
                    #expect(try await worker.get("/healthz")?.status == 200)
                    _ = consume client
                }
                for path in ["/", "/metrics/../../etc/passwd", "/readyz%00", "/healthz/"] {
                    #expect(try await worker.get(path)?.status != 500, "\(path)")
                }
            }
            #expect(result.code == 0)
        }
    }

    @Test func `Without a word of the operator's nobody outside this machine can ask`() throws {
        let address = try ListenAddress(sources: SettingSources(environment: [:]))
        #expect(address.host == "127.0.0.1" && address.isDefault)
    }
}
