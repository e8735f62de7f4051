/// What goes over the wire: the address, the headers, the body, the token and its proof.
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Onboarding
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct HTTPMessageTests {
    static let credentials = Credentials(
        appID: "236484624622562",
        appSecret: Secret("0123456789abcdef0123456789abcdef"),
        systemToken: Secret("EAAsystem"),
        businessToken: Secret("EAAtoken|123")
    )
    static let settings = GraphSettings(baseURL: "https://graph.test", version: "v25.0", sendsAppSecretProof: true)
    /// hmac.new(b"0123456789abcdef0123456789abcdef", b"EAAtoken|123", hashlib.sha256).hexdigest() in Python.
    static let proof = "7ac4e597418ea22958576e0dc66f5b2585fca9b4fce536d414b3d3f8f8bf1f90"

    private func make(
        _ request: GraphRequest,
        credentials: Credentials = credentials,
        proof: Bool = true
    ) throws -> HTTPMessage {
        var settings = Self.settings
        settings.sendsAppSecretProof = proof
        return try HTTPMessage.make(request, credentials: credentials, settings: settings)
    }

    private func body(_ message: HTTPMessage) async throws -> String? { message.body.map { String(buffer: $0) } }

    @Test func `A call with the customer's token carries it as Bearer, with its proof in the query`() throws {
        let message = try make(
            GraphRequest(.readPhone, .get, path: "1065", query: [.init("fields", "a,b")], token: .business)
        )
        #expect(message.url == "https://graph.test/v25.0/1065?fields=a%2Cb&appsecret_proof=\(Self.proof)")
        #expect(message.method == .GET)
        #expect(
            message.headers == [
                "User-Agent": "embark/\(Version.current)", "Accept": "application/json",
                "Authorization": "Bearer EAAtoken|123",
            ]
        )
        #expect(message.body == nil)
    }

    @Test func `A call with our system user's token proves that one`() throws {
        let message = try make(GraphRequest(.readAccount, .get, path: "1", token: .system))
        #expect(message.headers["Authorization"] == ["Bearer EAAsystem"])
        #expect(!message.url.contains(Self.proof))
        #expect(message.url.wholeMatch(of: /https:\/\/graph\.test\/v25\.0\/1\?appsecret_proof=[0-9a-f]{64}/) != nil)
    }

    @Test(arguments: [
        "", "/", "1/", "/1", "1//messages", "../1", "1/..", "1/./messages", "1?access_token=x", "1#", "1%2F2",
        "@evil.test",
        "1.evil.test", "１", "1 2", "1\r\nX: y", "wamid.AB", "1/Messages", "-1", String(repeating: "1", count: 33),
        "1/messages\0", "\\1",
    ])
    func `No path that holds anything but words and ids leads a token anywhere`(path: String) {
        #expect(throws: UnsendableRequest.self) {
            try make(GraphRequest(.readPhone, .get, path: path, token: .business))
        }
    }

    @Test func `The exchange carries neither a token nor a proof`() throws {
        let query: [GraphRequest.Field] = [
            .init("client_id", "236484624622562"), .init("client_secret", Secret("s&=")),
            .init("code", Secret("AQ#_=_")),
        ]
        let message = try make(
            GraphRequest(.exchangeCode, .get, path: "oauth/access_token", query: query, token: .none)
        )
        #expect(
            message.url
                == "https://graph.test/v25.0/oauth/access_token?client_id=236484624622562&client_secret=s%26%3D&code=AQ%23_%3D_"
        )
        #expect(message.headers["Authorization"] == [])
    }

    @Test func `The app's own token is its id and secret, without a proof`() throws {
        let message = try make(
            GraphRequest(
                .debugToken,
                .get,
                path: "debug_token",
                query: [.init("input_token", Secret("EAA"))],
                token: .app
            )
        )
        #expect(message.headers["Authorization"] == ["Bearer 236484624622562|0123456789abcdef0123456789abcdef"])
        #expect(message.url == "https://graph.test/v25.0/debug_token?input_token=EAA")
    }

    @Test func `The proof can be switched off`() throws {
        for token in [GraphRequest.Token.business, .system] {
            let message = try make(GraphRequest(.readPhone, .get, path: "1", token: token), proof: false)
            #expect(message.url == "https://graph.test/v25.0/1")
        }
    }

    @Test func `The proof is the HMAC of the UTF-8 bytes, in lowercase hexadecimal`() {
        #expect(
            HTTPMessage.appSecretProof(of: Secret("EAAtoken|123"), key: Self.credentials.appSecret).revealed
                == Self.proof
        )
        // hmac.new("gehéim".encode(), "tök€n".encode(), hashlib.sha256).hexdigest()
        #expect(
            HTTPMessage.appSecretProof(of: Secret("tök€n"), key: Secret("gehéim")).revealed
                == "cb097a94c853d2d11aa12c16f8387ee1a30ce1dfd714ce39da9a81af97f56aa5"
        )
    }

    @Test func `A call whose token is not there cannot be sent, and the reason names it`() {
        let none = Credentials(appID: "1", appSecret: Secret("canary"))
        for (token, reason) in [
            (GraphRequest.Token.business, "the business token is not there"),
            (.system, "EMBARK_SYSTEM_TOKEN is not set"),
        ] {
            let error = #expect(throws: UnsendableRequest.self) {
                _ = try make(GraphRequest(.readPhone, .get, path: "1", token: token), credentials: none)
            }
            #expect(error?.reason == reason)
        }
    }

    @Test(arguments: [
        ("", ""), ("AZaz09-._~", "AZaz09-._~"), (" ", "%20"), ("+", "%2B"), ("a/b?c&d=e#f", "a%2Fb%3Fc%26d%3De%23f"),
        ("100%", "100%25"), ("%41", "%2541"), ("\0\u{1}\u{7F}\r\n", "%00%01%7F%0D%0A"), ("é", "%C3%A9"),
        ("e\u{301}", "e%CC%81"), ("\u{1F469}\u{200D}\u{1F4BB}", "%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB"),
        ("\"'<>\\^`{|}", "%22%27%3C%3E%5C%5E%60%7B%7C%7D"), ("*!()[]@:;,$", "%2A%21%28%29%5B%5D%40%3A%3B%2C%24"),
    ])
    func `Everything but the unreserved characters is percent-encoded, in names and in values`(
        plain: String,
        encoded: String
    ) throws {
        #expect(HTTPMessage.form([.init(plain, plain)]) == "\(encoded)=\(encoded)")
        #expect(HTTPMessage.form([.init("a", Secret(plain))]) == "a=\(encoded)")
    }

    @Test func `A form body is joined by ampersands, and an object in it is its JSON`() async throws {
        let fields: [GraphRequest.Field] = [
            .init("a", "1 2"), .init("b", [.init("c", "\"")]), .init("pin", Secret("000123")),
        ]
        let message = try make(
            GraphRequest(.registerPhone, .post, path: "1/register", body: .form(fields), token: .system)
        )
        #expect(message.method == .POST)
        #expect(message.headers["Content-Type"] == ["application/x-www-form-urlencoded"])
        // The proof goes where the fields are: in a form, not in the address.
        #expect(!message.url.contains("?"))
        let sent = try #require(try await body(message))
        #expect(
            sent.wholeMatch(of: /appsecret_proof=[0-9a-f]{64}&(.*)/).map { String($0.1) }
                == "a=1%202&b=%7B%22c%22%3A%22%5C%22%22%7D&pin=000123"
        )
    }

    static let texts = [
        "", "plain", "\"\\/", "\u{8}\u{C}\n\r\t",
        String(String.UnicodeScalarView((0..<0x20).map { Unicode.Scalar($0)! })),
        "\u{7F}\u{80}\u{2028}\u{2029}\u{FEFF}", "\u{1F469}\u{200D}\u{1F4BB}\u{10FFFF}", "e\u{301}\"\u{301}\r\n",
        "</script>", "\\u0000", "{\"a\":1}",
    ]

    @Test(arguments: texts) func `A JSON body means what it was made of, to another reader`(text: String) async throws {
        let fields: [GraphRequest.Field] = [
            .init("text", text), .init("secret", Secret(text)), .init("object", [.init("inner", text)]),
            .init(text + "x", "name"),
        ]
        let message = try make(
            GraphRequest(.sendTestMessage, .post, path: "1/messages", body: .json(fields), token: .business)
        )
        #expect(message.headers["Content-Type"] == ["application/json"])
        let sent = try #require(try await body(message))
        #expect(!sent.unicodeScalars.contains { $0.value < 0x20 })
        let read = try #require(try JSONSerialization.jsonObject(with: Data(sent.utf8)) as? [String: Any])
        // Strings compare by canonical equivalence, so their bytes are what is compared.
        #expect((read["text"] as? String).map { Array($0.utf8) } == Array(text.utf8))
        #expect((read["secret"] as? String).map { Array($0.utf8) } == Array(text.utf8))
        #expect(((read["object"] as? [String: Any])?["inner"] as? String).map { Array($0.utf8) } == Array(text.utf8))
        #expect(read[text + "x"] as? String == "name")
    }

    @Test func `Members keep their order`() async throws {
        let body = HTTPMessage.json([.init("z", "1"), .init("a", [.init("y", "2"), .init("b", "3")]), .init("m", "4")])
        #expect(body == #"{"z":"1","a":{"y":"2","b":"3"},"m":"4"}"#)
    }

    @Test func `A POST without a body says so, which a DELETE need not`() async throws {
        let post = try make(GraphRequest(.subscribeApp, .post, path: "1/subscribed_apps", token: .business))
        #expect(try await body(post) == "")
        #expect(try make(GraphRequest(.subscribeApp, .delete, path: "1", token: .business)).body == nil)
    }

    @Test func `A request as text shows no secret`() {
        let request = GraphRequest(
            .registerPhone,
            .post,
            path: "1/register",
            query: [.init("code", Secret("canary"))],
            body: .json([.init("pin", Secret("canary")), .init("o", [.init("i", Secret("canary"))])]),
            token: .system
        )
        var dumped = ""
        dump(request, to: &dumped)
        dump(Self.credentials, to: &dumped)
        for text in ["\(request)", String(reflecting: request), dumped] {
            #expect(!text.contains("canary"))
            #expect(!text.contains("EAA"))
        }
    }
}
