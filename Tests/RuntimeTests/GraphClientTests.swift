/// Whether a call may have left is the client's most important answer: here against a server that misbehaves byte by byte.
import AsyncHTTPClient
import Onboarding
import Support
import Synchronization
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct GraphClientTests {
    private static let read = GraphRequest(.readPhone, .get, path: "1", token: .business)
    private static let write = GraphRequest(
        .sendTestMessage,
        .post,
        path: "1/messages",
        body: .json([.init("text", "hello")]),
        token: .business
    )
    private static let json = "Content-Type: application/json\r\n"

    private func withClient<T>(_ url: String, _ body: (GraphClient) async throws -> T) async throws -> T {
        let http = GraphClient.Pools(connectionsMax: 4)
        let settings = GraphSettings(baseURL: url, version: "v25.0", sendsAppSecretProof: false)
        do {
            let result = try await body(GraphClient(http: http, settings: settings))
            try await http.shutdown()
            return result
        } catch {
            try await http.shutdown()
            throw error
        }
    }

    private func send(
        _ request: GraphRequest = write,
        to url: String,
        token: String = "EAAtoken",
        seconds: Double = 10
    ) async throws -> GraphAnswer {
        try await withClient(url) { client in
            let credentials = Credentials(appID: "1", appSecret: Secret("s"), businessToken: Secret(token))
            return await client.send(request, credentials: credentials, seconds: seconds)
        }
    }

    private func answer(
        _ request: GraphRequest = write,
        seconds: Double = 10,
        _ script: @escaping @Sendable (ScriptedServer.Peer) -> Void
    ) async throws -> GraphAnswer {
        let server = try ScriptedServer(script)
        defer { server.stop() }
        return try await send(request, to: server.url, seconds: seconds)
    }

    private func isUnknown(_ answer: GraphAnswer) -> Bool {
        if case .effectUnknown = answer { true } else { false }
    }

    private func isNotSent(_ answer: GraphAnswer) -> Bool {
        if case .notSent = answer { true } else { false }
    }

    // MARK: Answered

    @Test func `What Graph answers arrives with its status`() async throws {
        let ok = try await answer {
            $0.readRequest()
            $0.answer(#"{"success":true}"#, headers: Self.json)
        }
        #expect(ok == .answered(GraphResponse(status: 200, content: .value(.object(["success": .bool(true)])))))
        let refused = try await answer {
            $0.readRequest()
            $0.answer(#"{"error":{"code":100,"message":"m"}}"#, status: "400 Bad Request", headers: Self.json)
        }
        #expect(refused == .answered(GraphResponse(status: 400, content: .error(GraphError(code: 100, message: "m")))))
    }

    @Test func `The bytes on the wire are the request that was meant`() async throws {
        let server = try ScriptedServer {
            $0.readRequest()
            $0.answer("{}")
        }
        defer { server.stop() }
        _ = try await send(to: server.url)
        let request = try #require(server.requests.first)
        #expect(request.hasPrefix("POST /v25.0/1/messages HTTP/1.1\r\n"))
        #expect(request.contains("Authorization: Bearer EAAtoken\r\n"))
        #expect(request.contains("User-Agent: embark/\(Version.current)\r\n"))
        #expect(request.lowercased().contains("content-length: 16\r\n"))
        #expect(request.hasSuffix("\r\n\r\n{\"text\":\"hello\"}"))
    }

    @Test func `A page of a proxy is an answer that cannot be read`() async throws {
        let page = "<html>502 EAAcanary123456</html>"
        let found = try await answer {
            $0.readRequest()
            $0.answer(page, status: "500 Internal Server Error", headers: "Content-Type: text/html\r\n")
        }
        let content = GraphResponse.Content.unreadable("text/html, \(page.utf8.count) bytes")
        #expect(found == .answered(GraphResponse(status: 500, content: content)))
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func `A redirect is an answer, and no token follows it`(
        status: Int
    ) async throws {
        let other = try ScriptedServer {
            $0.readRequest()
            $0.answer("{}")
        }
        defer { other.stop() }
        let location = "Location: \(other.url)/v25.0/1\r\n"
        let found = try await answer(Self.read) {
            $0.readRequest()
            $0.answer("", status: "\(status) Moved", headers: location)
        }
        let content = GraphResponse.Content.unreadable("no content type, 0 bytes")
        #expect(found == .answered(GraphResponse(status: status, content: content)))
        #expect(other.requests.isEmpty)
    }

    @Test func `A body of a hundred megabytes is not read to its end`() async throws {
        let written = Mutex<Int?>(nil)
        let server = try ScriptedServer { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: \(100 << 20)\r\n\r\n")
            let part = [UInt8](repeating: 0x20, count: 1 << 16)
            var count = 0
            while count < 100 << 20, peer.write(part) { count += part.count }
            written.withLock { $0 = count }
        }
        defer { server.stop() }
        let found = try await send(to: server.url)
        #expect(found == .answered(GraphResponse(status: 200, content: .unreadable("more than 1048576 bytes"))))
        try await eventually("the server notices") { written.withLock { $0 != nil } }
        // What both sides' sockets hold besides.
        #expect(written.withLock { $0 ?? .max } < 32 << 20)
    }

    @Test(arguments: [0, 1]) func `A body of exactly a mebibyte is read, one byte more is not`(more: Int) async throws {
        let body = "\"" + String(repeating: "x", count: (1 << 20) - 2 + more) + "\""
        let found = try await answer {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            $0.write("\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
        }
        guard case .answered(let response) = found else {
            Issue.record("\(found)")
            return
        }
        if more == 0 {
            #expect(response.content == .value(.string(String(body.dropFirst().dropLast()))))
        } else {
            #expect(response.content == .unreadable("more than 1048576 bytes"))
        }
    }

    // MARK: Not sent

    @Test func `A refused connection proves that nothing was sent`() async throws {
        let found = try await send(to: "http://127.0.0.1:\(try ScriptedServer.refusedPort())")
        #expect(isNotSent(found), "\(found)")
    }

    @Test func `A name that nobody knows proves that nothing was sent`() async throws {
        let found = try await send(to: "https://nothing.invalid")
        #expect(isNotSent(found), "\(found)")
    }

    @Test func `A server that cannot speak TLS was sent nothing`() async throws {
        let server = try ScriptedServer { $0.write("HTTP/1.1 400 Bad Request\r\n\r\n") }
        defer { server.stop() }
        let found = try await send(to: "https://127.0.0.1:\(server.port)")
        #expect(isNotSent(found), "\(found)")
    }

    @Test(arguments: ["EAA\nX-Other: 1", "EAA\r\n", "EAA\0"]) func `A token that cannot stand in a header is not sent`(
        token: String
    ) async throws {
        let server = try ScriptedServer {
            $0.readRequest()
            $0.answer("{}")
        }
        defer { server.stop() }
        let found = try await send(to: server.url, token: token)
        #expect(isNotSent(found), "\(found)")
        #expect(server.requests.isEmpty)
        #expect(!"\(found)".contains("EAA"))
    }

    // MARK: Effect unknown

    struct Script: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let run: @Sendable (ScriptedServer.Peer) -> Void
    }

    static let broken = [
        Script(testDescription: "resets before it reads") { $0.resetOnClose() },
        Script(testDescription: "resets after it has read") {
            $0.readRequest()
            $0.resetOnClose()
        },
        Script(testDescription: "hangs up without an answer") { $0.readRequest() },
        Script(testDescription: "hangs up within the status line") {
            $0.readRequest()
            $0.write("HTTP/1.1 20")
        },
        Script(testDescription: "hangs up within the head") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Len")
        },
        Script(testDescription: "hangs up within the body") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\"")
        },
        Script(testDescription: "promises more than it sends") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"success\":true}")
        },
        Script(testDescription: "hangs up within a chunk") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"success\"")
        },
        Script(testDescription: "hangs up before the last chunk") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"success\":true}\r\n")
        },
        Script(testDescription: "resets within the body") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\"")
            $0.resetOnClose()
        },
        Script(testDescription: "speaks no HTTP") {
            $0.readRequest()
            $0.write("SSH-2.0-OpenSSH_9.2\r\n\r\n")
        },
        Script(testDescription: "has two lengths") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 16\r\n\r\n{}")
        },
        Script(testDescription: "sends a header of a megabyte") { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 1 << 20))\r\nContent-Length: 2\r\n\r\n{}")
        },
    ]

    @Test(arguments: broken) func `An answer that does not come whole leaves the effect unknown`(
        script: Script
    ) async throws {
        let found = try await answer(Self.write, seconds: 10, script.run)
        #expect(isUnknown(found), "\(found)")
        #expect(!"\(found)".contains("EAA"))
    }

    @Test func `A body that is shorter than it is long is cut where its length says`() async throws {
        let found = try await answer {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{\"error\":{\"code\":1}}")
        }
        #expect(found == .answered(GraphResponse(status: 200, content: .value(.object([:])))))
    }

    static let slow = [
        Script(testDescription: "never answers") {
            $0.readRequest()
            $0.hungUp(within: 20)
        },
        Script(testDescription: "falls silent within the head") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\n")
            $0.hungUp(within: 20)
        },
        Script(testDescription: "falls silent behind the head") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n")
            $0.hungUp(within: 20)
        },
        Script(testDescription: "falls silent within the body") {
            $0.readRequest()
            $0.write("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\"")
            $0.hungUp(within: 20)
        },
        Script(testDescription: "sends a byte a second") { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
            for _ in 0..<20 {
                guard peer.write(" "), !peer.hungUp(within: 1) else { break }
            }
        },
    ]

    @Test(arguments: slow) func `A server that is too slow leaves the effect unknown, at the deadline`(
        script: Script
    ) async throws {
        let server = try ScriptedServer(script.run)
        defer { server.stop() }
        try await withClient(server.url) { client in
            let credentials = Credentials(appID: "1", appSecret: Secret("s"), businessToken: Secret("EAAtoken"))
            let clock = ContinuousClock()
            var fastest = Duration.seconds(3600)
            // A busy machine delays one call or another, but not each of five.
            for _ in 0..<5 where fastest > .milliseconds(1250) {
                let start = clock.now
                let found = await client.send(Self.write, credentials: credentials, seconds: 1)
                fastest = min(fastest, clock.now - start)
                #expect(isUnknown(found), "\(found)")
                #expect(clock.now - start >= .seconds(1))
                #expect(clock.now - start < .seconds(10))
            }
            #expect(fastest <= .milliseconds(1250))
        }
    }

    @Test func `A call that is cancelled ends at once with its effect unknown`() async throws {
        for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"] {
            let server = try ScriptedServer {
                $0.readRequest()
                $0.write(head)
                $0.hungUp(within: 60)
            }
            defer { server.stop() }
            let url = server.url
            let call = Task { try await send(to: url, seconds: 60) }
            try await eventually("the request arrives") { !server.requests.isEmpty }
            let clock = ContinuousClock()
            let start = clock.now
            call.cancel()
            let found = try await call.value
            #expect(isUnknown(found), "\(found)")
            #expect(clock.now - start < .seconds(5))
        }
    }

    // MARK: Never twice

    @Test(arguments: [true, false]) func `A POST on a connection that the server has closed is never sent twice`(
        readsBefore: Bool
    ) async throws {
        // The second call goes over the first one's connection, which the server closes without an answer.
        let server = try ScriptedServer { peer in
            peer.readRequest()
            peer.answer("{}")
            guard peer.number == 0 else { return }
            if readsBefore { peer.readRequest() } else { peer.resetOnClose() }
        }
        defer { server.stop() }
        try await withClient(server.url) { client in
            let credentials = Credentials(appID: "1", appSecret: Secret("s"), businessToken: Secret("EAAtoken"))
            let first = await client.send(Self.write, credentials: credentials, seconds: 10)
            #expect(first == .answered(GraphResponse(status: 200, content: .value(.object([:])))))
            let second = await client.send(Self.write, credentials: credentials, seconds: 10)
            if readsBefore {
                #expect(isUnknown(second), "\(second)")
                #expect(server.requests.count == 2)
            } else {
                // The close may be noticed before the second call: then it takes a new connection.
                #expect(server.requests.count == (isUnknown(second) ? 1 : 2))
            }
        }
    }
}
