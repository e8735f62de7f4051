/// What can come in place of Graph's answer, byte by byte, and what is to be made of it: by the client itself, and by a worker.
import Foundation
import Onboarding
import Support
import Testing

struct GraphFault: Sendable, CustomTestStringConvertible {
    enum Expected: Sendable, Equatable {
        /// Nothing of Graph's came: the call may have had its effect.
        case unknown
        /// Something answered that cannot be read as Graph's.
        case unreadable
        /// JSON came, whole.
        case value
        /// One of these: it depends on how the bytes arrive, and how many of them before the deadline.
        case anyOfThem
    }

    let testDescription: String
    let expected: Expected
    /// Whether it would go on for ever, so that the call ends with its deadline.
    var isEndless = false
    let answer: @Sendable (ScriptedServer.Peer) -> Void

    init(
        _ name: String,
        _ expected: Expected,
        endless: Bool = false,
        _ answer: @escaping @Sendable (ScriptedServer.Peer) -> Void
    ) {
        testDescription = name
        self.expected = expected
        isEndless = endless
        self.answer = answer
    }

    /// A whole answer of these bytes.
    private static func body(
        _ name: String,
        _ expected: Expected,
        _ bytes: [UInt8],
        _ headers: String = ""
    ) -> GraphFault {
        GraphFault(name, expected) { peer in
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: \(bytes.count)\r\n\(headers)\r\n")
            peer.write(bytes)
        }
    }

    private static func text(_ name: String, _ expected: Expected, _ text: String) -> GraphFault {
        body(name, expected, Array(text.utf8))
    }

    /// As long as the client listens, and never longer than any test waits.
    private static func repeating(_ peer: ScriptedServer.Peer, _ text: String, everySecond: Bool = false) {
        let piece = Array((everySecond ? text : String(repeating: text, count: max(1, 65_536 / text.utf8.count))).utf8)
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            guard peer.write(piece), !everySecond || !peer.hungUp(within: 1) else { break }
        }
    }

    private static let head = "HTTP/1.1 200 OK\r\n"
    private static let ok = #"{"success":true}"#

    // MARK: Connections

    private static let connections: [GraphFault] = [
        GraphFault("reset after the request", .unknown) { $0.resetOnClose() },
        GraphFault("hung up without an answer", .unknown) { _ in },
        GraphFault("hung up within the head", .unknown) { $0.write(head + "Content-Len") },
        GraphFault("half a body", .unknown) { $0.write(head + "Content-Length: 16\r\n\r\n{\"success\"") },
        GraphFault("a length that is too long", .unknown) { $0.write(head + "Content-Length: 99\r\n\r\n" + ok) },
        GraphFault("a length that is too short", .unreadable) { $0.write(head + "Content-Length: 5\r\n\r\n" + ok) },
        GraphFault("a length that is negative", .unknown) { $0.write(head + "Content-Length: -1\r\n\r\n" + ok) },
        GraphFault("a length beyond any number", .unknown) {
            $0.write(head + "Content-Length: 99999999999999999999\r\n\r\n" + ok)
        },
        GraphFault("a chunk beyond any number", .unknown) {
            $0.write(head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + ok)
        },
        GraphFault("a status line of garbage", .unknown) { $0.write("\u{16}\u{3}\u{1} 200 \u{0}\r\n\r\n" + ok) },
        GraphFault("a status of four digits", .unknown) { $0.write("HTTP/1.1 2000 OK\r\n\r\n" + ok) },
        GraphFault("an upgrade that nobody asked for", .unreadable) {
            $0.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" + ok)
        },
        GraphFault("200 with nothing", .unreadable) { $0.answer("") },
        GraphFault("204 with nothing", .unreadable) { $0.write("HTTP/1.1 204 No Content\r\n\r\n") },
    ]

    // MARK: Without an end

    private static let endless: [GraphFault] = [
        GraphFault("silence", .unknown, endless: true) { $0.hungUp(within: 60) },
        GraphFault("silence within the head", .unknown, endless: true) {
            $0.write(head)
            $0.hungUp(within: 60)
        },
        GraphFault("silence within the body", .unknown, endless: true) {
            $0.write(head + "Content-Length: 16\r\n\r\n{\"success\"")
            $0.hungUp(within: 60)
        },
        GraphFault("a status line of one byte a second", .unknown, endless: true) { peer in
            for byte in head.utf8 { guard peer.write([byte]), !peer.hungUp(within: 1) else { return } }
        },
        GraphFault("headers of one byte a second", .unknown, endless: true) { peer in
            peer.write(head + "X-Slow: ")
            repeating(peer, "x", everySecond: true)
        },
        GraphFault("a body of one byte a second", .unknown, endless: true) { peer in
            peer.write(head + "Content-Length: 1000\r\n\r\n")
            repeating(peer, " ", everySecond: true)
        },
        GraphFault("a chunk of one byte a second", .unknown, endless: true) { peer in
            peer.write(head + "Transfer-Encoding: chunked\r\n\r\n")
            repeating(peer, "1\r\n \r\n", everySecond: true)
        },
        GraphFault("100 Continue without end", .unknown, endless: true) {
            repeating($0, "HTTP/1.1 100 Continue\r\n\r\n")
        },
        GraphFault("103 Early Hints, one a second", .unknown, endless: true) {
            repeating($0, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", everySecond: true)
        },
    ]

    // MARK: Too much

    private static let floods: [GraphFault] = [
        GraphFault("headers without end", .unknown) { peer in
            peer.write(head)
            repeating(peer, "X-More: 12345678901234567890\r\n")
        },
        GraphFault("a header of a megabyte", .unknown) {
            $0.write(head + "X-Long: \(String(repeating: "x", count: 1 << 20))\r\nContent-Length: 16\r\n\r\n" + ok)
        },
        GraphFault("a header's name of a megabyte", .unknown) {
            $0.write(head + "\(String(repeating: "x", count: 1 << 20)): 1\r\nContent-Length: 16\r\n\r\n" + ok)
        },
        GraphFault("a reason of a megabyte", .anyOfThem) {
            $0.write("HTTP/1.1 200 \(String(repeating: "x", count: 1 << 20))\r\nContent-Length: 16\r\n\r\n" + ok)
        },
        GraphFault("a body of 100 MB", .unreadable) { peer in
            peer.write(head + "Content-Length: \(100 << 20)\r\n\r\n")
            repeating(peer, " ")
        },
        GraphFault("a body without end", .unreadable) { peer in
            peer.write(head + "\r\n")
            repeating(peer, "[")
        },
        GraphFault("chunks without end", .anyOfThem) { peer in
            peer.write(head + "Transfer-Encoding: chunked\r\n\r\n")
            repeating(peer, "8\r\n12345678\r\n")
        },
        GraphFault("chunks of one byte without end", .anyOfThem) { peer in
            peer.write(head + "Transfer-Encoding: chunked\r\n\r\n")
            repeating(peer, "1\r\n1\r\n")
        },
        GraphFault("a chunk's extension without end", .unknown) { peer in
            peer.write(head + "Transfer-Encoding: chunked\r\n\r\n1;a=")
            repeating(peer, "x")
        },
        GraphFault("trailers without end", .unknown) { peer in
            peer.write(head + "Transfer-Encoding: chunked\r\n\r\n0\r\n")
            repeating(peer, "X-More: 12345678901234567890\r\n")
        },
    ]

    // MARK: Whole, and odd

    private static let odd: [GraphFault] = [
        text("JSON of 10,000 levels", .unreadable, String(repeating: "[", count: 10_000)),
        text("objects of 10,000 levels", .unreadable, String(repeating: #"{"a":"#, count: 10_000)),
        text("a megabyte of brackets", .unreadable, String(repeating: "[", count: 1 << 20)),
        text("a NUL in a text", .value, #"{"success":true,"note":"a\u0000b"}"#),
        text("a bare NUL", .unreadable, "{\"success\":\0true}"),
        text("a lone surrogate", .unreadable, #"{"success":true,"note":"\ud800"}"#),
        text("duplicate keys", .value, #"{"success":false,"success":true}"#),
        text(
            "huge numbers",
            .unreadable,
            #"{"success":true,"a":1e999999,"b":123456789012345678901234567890,"c":-0.0,"d":1e-999999}"#
        ),
        text(
            "a number of a megabyte",
            .unreadable,
            "{\"success\":true,\"a\":" + String(repeating: "9", count: 1_000_000) + "}"
        ),
        text("90,000 members", .unreadable, "{" + (0..<90_000).map { "\"\($0)\":1" }.joined(separator: ",") + "}"),
        text("500,000 numbers", .unreadable, "[1" + String(repeating: ",1", count: 500_000) + "]"),
        text("300,000 objects", .unreadable, "[{}" + String(repeating: ",{}", count: 300_000) + "]"),
        text("19,000 numbers", .value, "[1" + String(repeating: ",1", count: 19_000) + "]"),
        text("a page of a proxy", .unreadable, "<html><body>502 Bad Gateway</body></html>"),
        body("a page of another encoding", .unreadable, [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00]),
        body("a byte order mark", .value, [0xEF, 0xBB, 0xBF] + Array(ok.utf8)),
        GraphFault("a redirect to another host", .unreadable) {
            $0.answer("", status: "302 Found", headers: "Location: http://127.0.0.1:1/elsewhere\r\n")
        },
        GraphFault("a redirect to itself", .unreadable) {
            $0.answer("", status: "307 Temporary Redirect", headers: "Location: /v25.0/again\r\n")
        },
        GraphFault("two answers in one", .value) {
            $0.answer(ok)
            $0.answer(#"{"error":{"code":1}}"#)
        },
    ]

    /// 100 MB in 100 KB, for who would unpack it.
    static func bomb() async throws -> GraphFault {
        let made = try await Command.program("sh", ["-c", "head -c 104857600 /dev/zero | gzip | base64 -w0"])
        guard let bytes = Data(base64Encoded: made.out), bytes.count < 200_000 else {
            throw SupportError("no bomb was made: \(made.err)")
        }
        return body("100 MB in 100 KB of gzip", .unreadable, Array(bytes), "Content-Encoding: gzip\r\n")
    }

    static let all = connections + endless + floods + odd
}
