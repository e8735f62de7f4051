/// The keys that seal tokens and PINs: a JWK Set of symmetric keys (RFC 7517). The first key seals, all open.
import Crypto
import Foundation
public import Onboarding

public struct KeyRing: Sendable {
    /// A 256-bit key with the id that stands in what it has sealed.
    struct Key: Sendable {
        let id: String
        let key: SymmetricKey
        /// The id as JSON has it.
        let quotedID: String
    }

    /// More than any rotation needs.
    static let keysMax = 64

    let keys: [Key]

    /// The ids in order; the first one seals.
    public var keyIDs: [String] { keys.map(\.id) }

    /// Reads a JWK Set: `{"keys":[{"kty":"oct","kid":"2026-11","k":"…32 bytes, base64url…"}]}`.
    ///
    /// - Throws: `KeyRingError`, naming the key by its place and never by its content.
    public init(jwkSet text: String) throws(KeyRingError) {
        let set: KeySet
        do {
            set = try JSONDecoder().decode(KeySet.self, from: Data(text.utf8))
        } catch {
            throw .notAKeySet
        }
        guard !set.keys.isEmpty else { throw .empty }
        guard set.keys.count <= Self.keysMax else { throw .tooMany }
        var keys: [Key] = []
        for (index, key) in set.keys.enumerated() {
            guard key.kty == "oct" else { throw .notSymmetric(place: index + 1) }
            guard let id = key.kid, !id.isEmpty, id.utf8.count <= 128 else { throw .noID(place: index + 1) }
            guard let bytes = key.k.flatMap({ Base64URL.decode($0) }), bytes.count == 32 else {
                throw .notABytesKey(place: index + 1)
            }
            guard !keys.contains(where: { $0.id == id }) else { throw .twice(place: index + 1) }
            keys.append(Key(id: id, key: SymmetricKey(data: bytes), quotedID: HTTPMessage.quoted(id)))
        }
        self.keys = keys
    }

    /// A JWK Set with one new random key, as `embark key new` prints it. Its `alg` is that of the sealed texts' headers: some
    /// libraries look for a key by both.
    public static func newKeySet(id: String) -> Secret {
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        let key = #"{"kty":"oct","alg":"dir","use":"enc","kid":"\#(id)","k":"\#(Base64URL.encode(bytes))"}"#
        return Secret(#"{"keys":[\#(key)]}"#)
    }

    private struct KeySet: Decodable {
        let keys: [Entry]

        struct Entry: Decodable {
            let kty: String
            let kid: String?
            let k: String?
        }
    }
}

/// Why a JWK Set cannot be used. Nothing of it is shown.
public enum KeyRingError: Error, Equatable, CustomStringConvertible {
    case notAKeySet
    case empty
    case tooMany
    case notSymmetric(place: Int)
    case noID(place: Int)
    case notABytesKey(place: Int)
    case twice(place: Int)

    public var description: String {
        switch self {
        case .notAKeySet: "must be a JWK Set: {\"keys\":[…]}, as embark key new prints it"
        case .empty: "has no key: embark key new makes one"
        case .tooMany: "has more than \(KeyRing.keysMax) keys"
        case .notSymmetric(let place): "key \(place): kty must be oct"
        case .noID(let place): "key \(place): kid must be 1 to 128 bytes"
        case .notABytesKey(let place): "key \(place): k must be 32 bytes in base64url"
        case .twice(let place): "key \(place): its kid stands twice"
        }
    }
}

/// Base64url without padding (RFC 7515, section 2).
enum Base64URL {
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let text = Data(bytes).base64EncodedData().compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for what is not the canonical encoding of any bytes: one text a value, so that no byte can be altered unseen.
    static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.allSatisfy({ isAlphabet($0) }) else { return nil }
        var padded = text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        padded += Array(repeating: UInt8(ascii: "="), count: (4 - padded.count % 4) % 4)
        guard let data = Data(base64Encoded: Data(padded)) else { return nil }
        let bytes = Array(data)
        return encode(bytes) == text ? bytes : nil
    }

    private static func isAlphabet(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
