import Foundation
import Onboarding
import OnboardingRuntime

/// Nothing opens but what was sealed, for the signup and the purpose that it was sealed for, and to what it was.
enum SealedProperties {
    static let signupID: Int64 = 4711
    /// What stands in the corpus, sealed by the first key or the second.
    static let known: Set<String> = ["EAAfuzzToken", "000123", ""]

    /// Two keys of no secret: bytes 0 to 31, and 32 to 63.
    static let ring = ring(
        #"{"kty":"oct","kid":"first","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#,
        #"{"kty":"oct","kid":"second","k":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"}"#
    )
    private static let stranger = ring(
        #"{"kty":"oct","kid":"third","k":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"}"#
    )

    private static func ring(_ keys: String...) -> KeyRing {
        do {
            return try KeyRing(jwkSet: #"{"keys":[\#(keys.joined(separator: ","))]}"#)
        } catch {
            fatalError("the ring of the fuzz target: \(error)")
        }
    }

    static func check(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        for purpose in SealedPurpose.allCases {
            if let secret = open(text, ring, signupID, purpose) {
                require(known.contains(secret.revealed), "what opens was sealed")
                require(open(text, ring, signupID + 1, purpose) == nil, "it is of its own signup")
                require(open(text, stranger, signupID, purpose) == nil, "it needs its key")
            }
        }
        checkSealing(text, bytes.reduce(17) { ($0 &* 31 &+ Int($1)) & Int.max })
    }

    private static func open(_ text: String, _ ring: KeyRing, _ id: Int64, _ purpose: SealedPurpose) -> Secret? {
        do {
            return try ring.open(text, signupID: id, purpose: purpose)
        } catch {
            require(!error.description.isEmpty, "a refusal has words")
            return nil
        }
    }

    private static func checkSealing(_ plain: String, _ place: Int) {
        let sealed: String
        do {
            sealed = try ring.seal(Secret(plain), signupID: signupID, purpose: .pin)
        } catch {
            return require(false, "what is text can be sealed: \(error)")
        }
        require(open(sealed, ring, signupID, .pin)?.revealed == plain, "it opens to what was sealed")
        require(open(sealed, ring, signupID, .token) == nil, "and for no other purpose")
        var altered = Array(sealed.utf8)
        altered[place % altered.count] ^= UInt8(1 << (place / altered.count % 7))
        require(
            open(String(decoding: altered, as: UTF8.self), ring, signupID, .pin) == nil,
            "one bit altered, it does not open"
        )
    }
}
