/// Which key sets are taken, and how one that is not is refused: by the key's place, never by its content.
import Foundation
import Onboarding
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct KeyRingTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let error: KeyRingError
    }

    private static func key(_ members: String) -> String { "{\"keys\":[\(good("first")),{\(members)}]}" }
    private static func good(_ id: String) -> String {
        #"{"kty":"oct","kid":"\#(id)","k":"\#(Base64URL.encode(Array(0..<32)))"}"#
    }
    private static func ring(_ count: Int) -> String {
        "{\"keys\":[\((0..<count).map { good("k\($0)") }.joined(separator: ","))]}"
    }

    static let refusals = [
        Refusal(testDescription: "no text", text: "", error: .notAKeySet),
        Refusal(testDescription: "no JSON", text: "canary", error: .notAKeySet),
        Refusal(testDescription: "an array", text: "[]", error: .notAKeySet),
        Refusal(testDescription: "a single key", text: good("canary"), error: .notAKeySet),
        Refusal(testDescription: "keys is a text", text: #"{"keys":"canary"}"#, error: .notAKeySet),
        Refusal(testDescription: "no key", text: #"{"keys":[]}"#, error: .empty),
        Refusal(testDescription: "65 keys", text: ring(65), error: .tooMany),
        Refusal(
            testDescription: "an RSA key",
            text: key(#""kty":"RSA","kid":"canary","k":"canary""#),
            error: .notSymmetric(place: 2)
        ),
        Refusal(testDescription: "no kid", text: key(#""kty":"oct","k":"canary""#), error: .noID(place: 2)),
        Refusal(testDescription: "an empty kid", text: key(#""kty":"oct","kid":"""#), error: .noID(place: 2)),
        Refusal(
            testDescription: "a long kid",
            text: key(#""kty":"oct","kid":"\#(String(repeating: "canary", count: 22))""#),
            error: .noID(place: 2)
        ),
        Refusal(testDescription: "no k", text: key(#""kty":"oct","kid":"canary""#), error: .notABytesKey(place: 2)),
        Refusal(
            testDescription: "31 bytes",
            text: key(#""kty":"oct","kid":"canary","k":"\#(Base64URL.encode(Array(0..<31)))""#),
            error: .notABytesKey(place: 2)
        ),
        Refusal(
            testDescription: "33 bytes",
            text: key(#""kty":"oct","kid":"canary","k":"\#(Base64URL.encode(Array(0..<33)))""#),
            error: .notABytesKey(place: 2)
        ),
        Refusal(
            testDescription: "padded",
            text: key(#""kty":"oct","kid":"canary","k":"\#(Base64URL.encode(Array(0..<32)))=""#),
            error: .notABytesKey(place: 2)
        ),
        Refusal(
            testDescription: "standard base64",
            text: key(#""kty":"oct","kid":"canary","k":"\#(String(repeating: "/", count: 42))8""#),
            error: .notABytesKey(place: 2)
        ),
        Refusal(
            testDescription: "the same kid twice",
            text: "{\"keys\":[\(good("first")),\(good("canary")),\(good("canary"))]}",
            error: .twice(place: 3)
        ),
    ]

    @Test(arguments: refusals) func `A key set that cannot be used is refused without its content`(refusal: Refusal) {
        let error = #expect(throws: KeyRingError.self) { _ = try KeyRing(jwkSet: refusal.text) }
        #expect(error == refusal.error)
        #expect(error.map { "\($0)" }?.contains("canary") == false)
    }

    @Test func `Sixty-four keys, unknown members and other keys' extras are taken`() throws {
        #expect(try KeyRing(jwkSet: Self.ring(64)).keyIDs.count == 64)
        let text = #"{"keys":[{"kty":"oct","use":"enc","x":[1],"kid":"a","k":"\#(SampleKeys.text("a"))"}],"more":{}}"#
        #expect(try KeyRing(jwkSet: text).keyIDs == ["a"])
    }

    @Test func `The command's key sets can be used, carry the id that was asked for, and differ`() async throws {
        let results = [
            try await Command.run(["key", "new", "--id", "2026-11"], database: nil),
            try await Command.run(["key", "new", "--id", "2026-11"], database: nil),
            try await Command.run(["key", "new"], database: nil),
        ]
        for result in results {
            #expect(result.code == 0)
            #expect(result.err == "")
            #expect(result.outLines.count == 1)
        }
        let rings = try results.map { try KeyRing(jwkSet: $0.out) }
        #expect(rings[0].keyIDs == ["2026-11"])
        #expect(rings[2].keyIDs.first?.wholeMatch(of: /20[0-9]{2}-[0-9]{2}-[0-9]{2}/) != nil)
        let sealed = try rings[0].seal(.init("000123"), signupID: 1, purpose: .pin)
        #expect(throws: SealingError.altered) { try rings[1].open(sealed, signupID: 1, purpose: .pin) }
    }

    @Test(arguments: ["", "a b", "a\"b", "ä", String(repeating: "x", count: 65)])
    func `An id that could not stand in a key set is a usage error`(id: String) async throws {
        let result = try await Command.run(["key", "new", "--id", id], database: nil)
        #expect(result.code == 64)
        #expect(result.out == "")
    }

    @Test func `Base64url is canonical: one text for each value`() {
        #expect(Base64URL.decode("") == [])
        #expect(Base64URL.decode("AA") == [0])
        for text in ["A", "AB", "AA=", "AA==", "AAB", "A A", "AA\n", "_/", "ÄÄ", "AAAAA"] {
            #expect(Base64URL.decode(text) == nil, "\(text)")
        }
        for length in 0...66 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 250) }
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
    }
}
