/// Tokens go to Graph alone: to whom the client speaks TLS, and to whom not a byte of a request.
import Foundation
import NIOSSL
import Onboarding
import OnboardingRuntime
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct GraphTLSTests {
    private static let here = "DNS:localhost,IP:127.0.0.1"
    private static let request = GraphRequest(
        .sendTestMessage,
        .post,
        path: "1/messages",
        body: .json([.init("text", "hello")]),
        token: .business
    )

    private func send(to url: String, trusting authorities: [NIOSSLCertificate]?) async throws -> GraphAnswer {
        let http = GraphClient.Pools(connectionsMax: 1, authorities: authorities)
        let client = GraphClient(
            http: http,
            settings: GraphSettings(baseURL: url, version: "v25.0", sendsAppSecretProof: false)
        )
        let credentials = Credentials(appID: "1", appSecret: Secret("s"), businessToken: Secret("EAAtoken"))
        let answer = await client.send(Self.request, credentials: credentials, seconds: 10)
        try await http.shutdown()
        return answer
    }

    private static let untrusted =
        "no TLS: the server's certificate has expired, or is of an authority that is not trusted here"

    @Test func `Only a server whose certificate is good, trusted and its own gets a request; all others get nothing`()
        async throws
    {
        let plain = try ScriptedServer {
            $0.readRequest()
            $0.answer("{}")
        }
        defer { plain.stop() }
        try await TestAuthority.withTwo { ours, other in
            let good = try await ours.issue(for: Self.here)
            let table: [(what: String, shown: TestAuthority.Issued, newest: TLSVersion, reason: String?)] = [
                ("right", good, .tlsv13, nil),
                ("right, with TLS 1.2", good, .tlsv12, nil),
                (
                    "another host's", try await ours.issue(for: "DNS:graph.facebook.com,IP:127.0.0.2"), .tlsv13,
                    "no TLS: the server's certificate is for another host"
                ),
                ("another authority's", try await other.issue(for: Self.here), .tlsv13, Self.untrusted),
                ("expired", try await ours.issue(for: Self.here, expired: true), .tlsv13, Self.untrusted),
                ("self-signed", try await ours.selfSigned(for: Self.here), .tlsv13, Self.untrusted),
                ("TLS 1.1", good, .tlsv11, "no TLS: the server does not speak TLS 1.2 or later"),
                ("TLS 1.0", good, .tlsv1, "no TLS: the server does not speak TLS 1.2 or later"),
            ]
            let trusted = try NIOSSLCertificate.fromPEMFile(ours.certificate)
            for row in table {
                try await TLSFront.with(to: Int(plain.port), showing: row.shown, newest: row.newest) { front in
                    for host in ["localhost", "127.0.0.1"] {
                        let before = plain.requests.count
                        let answer = try await send(to: "https://\(host):\(front.port)", trusting: trusted)
                        if let reason = row.reason {
                            #expect(answer == .notSent(reason: reason), "\(row.what) at \(host)")
                            #expect(plain.requests.count == before)
                        } else {
                            let empty = GraphResponse(status: 200, content: .value(.object([:])))
                            #expect(answer == .answered(empty), "\(row.what) at \(host)")
                        }
                    }
                }
            }
            // Without the authority's file the system's count, which do not know it.
            try await TLSFront.with(to: Int(plain.port), showing: good) { front in
                let answer = try await send(to: "https://localhost:\(front.port)", trusting: nil)
                #expect(answer == .notSent(reason: Self.untrusted))
            }
        }
    }

    @Test(.database(.configured))
    func `A worker before a false Graph sends nothing, has nothing in doubt, and goes on when it is the true one`()
        async throws
    {
        try await TestAuthority.withTwo { ours, _ in
            let good = try await ours.issue(for: Self.here)
            let wrong = try await ours.issue(for: "DNS:graph.facebook.com")
            try await SimulatedPlatform.with { platform in
                let port = try #require(URLComponents(string: platform.url)?.port)
                try await TLSFront.with(to: port, showing: wrong) { front in
                    let settings = ["SSL_CERT_FILE": ours.certificate]
                    let graph = "https://localhost:\(front.port)"
                    try await Customer.enqueue(1...3)
                    let result = try await RunningWorker.with(
                        graph: graph,
                        database: TestDatabase.current.url,
                        environment: settings
                    ) { worker in
                        try await eventually("each has been tried", within: .seconds(20)) {
                            try await texts("SELECT DISTINCT signup_id::text FROM embark.attempts").count == 3
                        }
                        #expect(try platform.ledger("request").isEmpty)
                        #expect(
                            try await texts("SELECT DISTINCT verdict || ' ' || error_message FROM embark.attempts")
                                .allSatisfy { $0.hasPrefix("retry ") && $0.contains("certificate is for another host") }
                        )
                        // The codes are as good as before: they have not been sent.
                        #expect(try await count("embark.secrets WHERE code IS NOT NULL") == 3)
                        let doctor = try await Command.run(
                            ["doctor"],
                            database: TestDatabase.current.url,
                            environment: settings.merging(["EMBARK_GRAPH_URL": graph]) { $1 }
                        )
                        #expect(doctor.code == 1)
                        #expect(doctor.out.contains("certificate is for another host"), "\(doctor.out)")
                        try front.show(good)
                        try await eventually("all are completed", within: .seconds(30)) {
                            try await count("embark.signups WHERE state = 'completed'") == 3
                        }
                        #expect(try await worker.isReady())
                    }
                    #expect(result.code == 0)
                    #expect(try platform.effects("exchange_code", by: "code").values.sorted() == [1, 1, 1])
                }
            }
        }
    }

    @Test func `A file of authorities that is none is named at start, before a job is touched`() async throws {
        for path in ["/nonexistent/ca.pem", "/etc/hostname", "/etc"] {
            let result = try await Command.run(
                ["worker"],
                database: "postgresql://127.0.0.1:1/nowhere",
                environment: WorkerProcess.environment(graph: "https://graph.test", ["SSL_CERT_FILE": path])
            )
            #expect(result.code == 78)
            #expect(
                result.err
                    == "embark: SSL_CERT_FILE must name a file of PEM certificates that this process can read\n"
            )
        }
    }
}
