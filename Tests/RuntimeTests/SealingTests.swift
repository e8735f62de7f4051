/// What is sealed, byte by byte, and everything that must not open.
import Crypto
import Foundation
import Onboarding
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.timeLimit(.minutes(10))) struct SealingTests {
    static let secrets = [
        "", "0", "000123", "EAAbusiness", "geheim \u{1F511}\0\n", String(repeating: "ß", count: 5000),
    ]

    @Test(arguments: secrets, SealedPurpose.allCases)
    func `What was sealed opens again`(text: String, purpose: SealedPurpose) throws {
        let ring = try SampleKeys.ring("a")
        for id in [1, 4711, Int64.max] {
            let sealed = try ring.seal(Secret(text), signupID: id, purpose: purpose)
            #expect(try ring.open(sealed, signupID: id, purpose: purpose).revealed == text)
        }
    }

    @Test func `The header says how, with which key, for which signup and what for, and nothing else`() throws {
        let sealed = try SampleKeys.ring("a").seal(Secret("000123"), signupID: 4711, purpose: .pin)
        let parts = sealed.split(separator: ".", omittingEmptySubsequences: false)
        let header = try JSONSerialization.jsonObject(with: try SampleKeys.decoded(parts[0])) as? [String: String]
        #expect(
            header == [
                "alg": "dir", "enc": "A256GCM", "kid": "a", "embark_signup": "4711", "embark_purpose": "pin",
            ]
        )
    }

    @Test func `A sealed text has the five parts of RFC 7516 and the second is empty`() throws {
        let sealed = try SampleKeys.ring("a").seal(Secret("000123"), signupID: 1, purpose: .pin)
        let parts = sealed.split(separator: ".", omittingEmptySubsequences: false)
        try #require(parts.count == 5)
        #expect(parts[1].isEmpty)
        #expect(try SampleKeys.decoded(parts[2]).count == 12)
        #expect(try SampleKeys.decoded(parts[3]).count == 6)
        #expect(try SampleKeys.decoded(parts[4]).count == 16)
        #expect(sealed.wholeMatch(of: /[A-Za-z0-9_.-]+/) != nil)
        #expect(!sealed.contains("000123"))
    }

    @Test func `No nonce is used twice`() throws {
        let ring = try SampleKeys.ring("a")
        let nonces = try (0..<1000).map { _ in
            try ring.seal(Secret("same"), signupID: 1, purpose: .pin).split(
                separator: ".",
                omittingEmptySubsequences: false
            )[2]
        }
        #expect(Set(nonces).count == 1000)
    }

    @Test func `Another row, another purpose and a key that is not there are refused by name`() throws {
        let ring = try SampleKeys.ring("a", "b")
        let sealed = try ring.seal(Secret("000123"), signupID: 12, purpose: .pin)
        for other in [1, 2, 13, 120, -12, 0] as [Int64] {
            #expect(throws: SealingError.otherRow) { try ring.open(sealed, signupID: other, purpose: .pin) }
        }
        #expect(throws: SealingError.otherRow) { try ring.open(sealed, signupID: 12, purpose: .token) }
        #expect(throws: SealingError.unknownKey(id: "a")) {
            try SampleKeys.ring("b").open(sealed, signupID: 12, purpose: .pin)
        }
        // The same id, another key.
        #expect(throws: SealingError.altered) {
            let other = try KeyRing(jwkSet: SampleKeys.jwkSet([("a", SampleKeys.bytes("b"))]))
            _ = try other.open(sealed, signupID: 12, purpose: .pin)
        }
    }

    @Test func `Each character replaced by any other one is refused`() throws {
        let ring = try SampleKeys.ring("a")
        let sealed = Array(try ring.seal(Secret("000123"), signupID: 1, purpose: .pin).utf8)
        let replacements = Array("ABCDQghwx0189-_.=+/ \n\0".utf8)
        for place in sealed.indices {
            for replacement in replacements where replacement != sealed[place] {
                var altered = sealed
                altered[place] = replacement
                #expect(throws: SealingError.self, "character \(place) as \(replacement)") {
                    try ring.open(String(decoding: altered, as: UTF8.self), signupID: 1, purpose: .pin)
                }
            }
        }
    }

    @Test func `Each bit flipped in the decoded parts is refused`() throws {
        let ring = try SampleKeys.ring("a")
        let sealed = try ring.seal(Secret("000123"), signupID: 1, purpose: .pin)
        let parts = sealed.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        for part in [0, 2, 3, 4] {
            let bytes = try #require(Base64URL.decode(parts[part]))
            for bit in 0..<bytes.count * 8 {
                var altered = bytes
                altered[bit / 8] ^= 1 << (bit % 8)
                var text = parts
                text[part] = Base64URL.encode(altered)
                let error = #expect(throws: SealingError.self, "part \(part), bit \(bit)") {
                    try ring.open(text.joined(separator: "."), signupID: 1, purpose: .pin)
                }
                let said = error.map { String(reflecting: $0) + "\($0)" } ?? ""
                #expect(!said.contains("000123") && ![2, 3, 4].contains { said.contains(parts[$0]) }, "\(said)")
            }
        }
    }

    static let garbage = [
        "", ".", "....", ".....", "a.b.c.d.e", "e30....", "e30..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA", "000123",
        Base64URL.encode(Array(String(repeating: "[", count: 100_000).utf8))
            + "..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA",
        String(repeating: ".", count: 1 << 20), "\u{0}\u{301}.\u{1F511}...",
    ]

    @Test(arguments: garbage) func `What is no sealed text is refused`(text: String) throws {
        let ring = try SampleKeys.ring("a")
        #expect(throws: SealingError.malformed) { try ring.open(text, signupID: 1, purpose: .pin) }
    }

    @Test func `A cut or lengthened text is refused`() throws {
        let ring = try SampleKeys.ring("a")
        let sealed = try ring.seal(Secret("000123"), signupID: 1, purpose: .pin)
        for length in 0..<sealed.count {
            #expect(throws: SealingError.self) {
                try ring.open(String(sealed.prefix(length)), signupID: 1, purpose: .pin)
            }
        }
        for end in ["A", "=", ".", "\n", " "] {
            #expect(throws: SealingError.self) { try ring.open(sealed + end, signupID: 1, purpose: .pin) }
        }
    }

    @Test func `After a rotation the old key opens and the new one seals`() throws {
        let old = try SampleKeys.ring("old").seal(Secret("000123"), signupID: 1, purpose: .pin)
        let rotated = try SampleKeys.ring("new", "old")
        #expect(rotated.keyIDs == ["new", "old"])
        #expect(try rotated.open(old, signupID: 1, purpose: .pin).revealed == "000123")
        let new = try rotated.seal(Secret("000123"), signupID: 1, purpose: .pin)
        #expect(try SampleKeys.ring("new").open(new, signupID: 1, purpose: .pin).revealed == "000123")
    }

    @Test func `An error shows nothing of what was sealed`() throws {
        let ring = try SampleKeys.ring("a")
        let sealed = try ring.seal(Secret("canary"), signupID: 1, purpose: .pin)
        let error = #expect(throws: SealingError.self) { try ring.open(sealed, signupID: 2, purpose: .pin) }
        #expect(error.map { "\($0)" }?.contains(sealed.suffix(8)) == false)
        #expect(!"\(ring)".contains(SampleKeys.text("a")))
    }

    // MARK: Another implementation

    /// Made with joserfc 1.6.5.
    static let foreign = """
        eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoib3RoZXIiLCJlbWJhcmtfc2lnbnVwIjoiNDIiLCJlbWJhcmtfcHVy\
        cG9zZSI6InBpbiJ9..irUOo_km8ZuhqFR2.MepQWaxW.QYJRYTyiT331ejk8XKV3XA
        """

    /// RFC 7516, appendix A.1: its content encryption key, nonce, text and, since GCM's text does not hang on the header, its
    /// ciphertext. The tag is over our own header, by Python's cryptography.
    @Test func `The text that RFC 7516 encrypts with A256GCM opens`() throws {
        let key = "saH0gFSP4XM_tAP_a5rU9ooHbltwLiJpL4LLLnrqQPw"
        let ring = try KeyRing(jwkSet: #"{"keys":[{"kty":"oct","kid":"rfc7516","k":"\#(key)"}]}"#)
        let header = #"{"alg":"dir","embark_purpose":"token","embark_signup":"7516","enc":"A256GCM","kid":"rfc7516"}"#
        let ciphertext = "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A"
        let sealed = [
            Base64URL.encode(header.utf8), "", "48V1_ALb6US04U3b", ciphertext, "C5hcHQpduZ3r6IhFArbugQ",
        ].joined(separator: ".")
        #expect(
            try ring.open(sealed, signupID: 7516, purpose: .token).revealed
                == "The true sign of intelligence is not knowledge but imagination."
        )
    }

    /// A header that asks for another algorithm, a critical extension or compression is refused, whatever its key.
    @Test(arguments: [
        (#""alg":"none""#, #""enc":"A256GCM""#), (#""alg":"A256KW""#, #""enc":"A256GCM""#),
        (#""alg":"dir""#, #""enc":"A128GCM""#), (#""alg":"dir""#, #""enc":"A256CBC-HS512""#),
        (#""alg":"dir","crit":["exp"],"exp":1"#, #""enc":"A256GCM""#),
        (#""alg":"dir","zip":"DEF""#, #""enc":"A256GCM""#),
    ])
    func `Another algorithm, what must be understood and compression are refused`(alg: String, enc: String) throws {
        let header = "{\(alg),\(enc)" + #","kid":"a","embark_signup":"1","embark_purpose":"pin"}"#
        let key = SymmetricKey(data: SampleKeys.bytes("a"))
        let encoded = Base64URL.encode(header.utf8)
        let box = try AES.GCM.seal(Data("000123".utf8), using: key, authenticating: Data(encoded.utf8))
        let sealed = [
            encoded, "", Base64URL.encode(Array(box.nonce)), Base64URL.encode(box.ciphertext),
            Base64URL.encode(box.tag),
        ].joined(separator: ".")
        #expect(throws: SealingError.malformed) {
            try SampleKeys.ring("a").open(sealed, signupID: 1, purpose: .pin)
        }
    }

    @Test func `What another implementation sealed opens`() throws {
        let ring = try SampleKeys.ring("a", "other")
        #expect(try ring.open(Self.foreign, signupID: 42, purpose: .pin).revealed == "042137")
    }

    @Test func `The cryptography library of Python opens what Embark seals, and Embark what it seals`() async throws {
        let sealed = try SampleKeys.ring("other").seal(Secret("geheim \u{1F511}"), signupID: 42, purpose: .token)
        let program = """
            import base64, json, os, sys
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            def decode(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            def encode(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
            sealed, key = sys.stdin.read().split()
            gcm = AESGCM(decode(key))
            header, _, nonce, text, tag = sealed.split(".")
            plain = gcm.decrypt(decode(nonce), decode(text) + decode(tag), header.encode())
            header = encode(json.dumps({
                "embark_purpose": "pin", "embark_signup": "42", "kid": "other", "enc": "A256GCM", "alg": "dir"
            }).encode())
            nonce = os.urandom(12)
            again = gcm.encrypt(nonce, plain, header.encode())
            print(plain.hex())
            print(".".join([header, "", encode(nonce), encode(again[:-16]), encode(again[-16:])]))
            """
        let result = try await Command.program(
            "env",
            [ProcessInfo.processInfo.environment["EMBARK_TEST_PYTHON"] ?? "/usr/bin/python3", "-c", program],
            input: "\(sealed)\n\(SampleKeys.text("other"))\n"
        )
        try #require(result.code == 0, "python3 with its package cryptography is needed: \(result.err)")
        let hex = "geheim \u{1F511}".utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        try #require(result.outLines.count == 2)
        #expect(result.outLines[0] == hex)
        let opened = try SampleKeys.ring("other").open(result.outLines[1], signupID: 42, purpose: .pin)
        #expect(opened.revealed == "geheim \u{1F511}")
    }
}

/// Keys that differ by their ids alone.
enum SampleKeys {
    /// The bytes 0 to 31 for the id "other", and the id's own bytes repeated for all else.
    static func bytes(_ id: String) -> [UInt8] {
        if id == "other" { return Array(0..<32) }
        let name = Array(id.utf8)
        return (0..<32).map { name[$0 % name.count] }
    }

    static func text(_ id: String) -> String { Base64URL.encode(bytes(id)) }

    static func jwkSet(_ keys: [(id: String, bytes: [UInt8])]) -> String {
        let entries = keys.map { #"{"kty":"oct","kid":"\#($0.id)","k":"\#(Base64URL.encode($0.bytes))"}"# }
        return #"{"keys":[\#(entries.joined(separator: ","))]}"#
    }

    static func ring(_ ids: String...) throws -> KeyRing {
        try KeyRing(jwkSet: jwkSet(ids.map { ($0, bytes($0)) }))
    }

    /// By Foundation, so that a mistake in our own decoder does not hide.
    static func decoded(_ part: Substring) throws -> Data {
        let text = part.replacing("-", with: "+").replacing("_", with: "/")
        return try #require(Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4)))
    }
}
