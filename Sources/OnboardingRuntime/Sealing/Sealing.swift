/// Seals what must be kept and not be read: a compact JWE (RFC 7516) with `alg: dir`, `enc: A256GCM`, bound to the signup
/// and the purpose by its protected header, so that one row's token cannot be put into another's.
import Crypto
import Foundation
public import Onboarding

/// What a sealed text is.
public enum SealedPurpose: String, Sendable, CaseIterable {
    case token
    case pin
}

extension KeyRing {
    /// Seals under the first key, with a random nonce.
    public func seal(_ secret: Secret, signupID: Int64, purpose: SealedPurpose) throws(SealingError) -> String {
        guard let key = keys.first else { throw .noKey }
        let header = Header(
            alg: "dir",
            enc: "A256GCM",
            kid: key.id,
            signup: String(signupID),
            purpose: purpose.rawValue
        )
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let protected = Base64URL.encode(try encoder.encode(header))
            let box = try AES.GCM.seal(
                Data(secret.revealed.utf8),
                using: key.key,
                authenticating: Data(protected.utf8)
            )
            // The second part is empty: with "dir" there is no encrypted key.
            return [
                protected, "", Base64URL.encode(Array(box.nonce)), Base64URL.encode(box.ciphertext),
                Base64URL.encode(box.tag),
            ].joined(separator: ".")
        } catch {
            throw .failed
        }
    }

    /// Opens what any of the keys has sealed for this signup and purpose.
    ///
    /// - Throws: `SealingError`; nothing of the text is shown.
    public func open(_ sealed: String, signupID: Int64, purpose: SealedPurpose) throws(SealingError) -> Secret {
        let parts = sealed.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[1].isEmpty,
            let headerBytes = Base64URL.decode(parts[0]),
            let nonce = Base64URL.decode(parts[2]), nonce.count == 12,
            let ciphertext = Base64URL.decode(parts[3]),
            let tag = Base64URL.decode(parts[4]), tag.count == 16
        else { throw .malformed }
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(headerBytes))
        } catch {
            throw .malformed
        }
        guard header.alg == "dir", header.enc == "A256GCM" else { throw .malformed }
        guard let key = keys.first(where: { $0.id == header.kid }) else { throw .unknownKey(id: header.kid) }
        guard header.signup == String(signupID), header.purpose == purpose.rawValue else { throw .otherRow }
        do {
            let box = try AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: nonce),
                ciphertext: ciphertext,
                tag: tag
            )
            let opened = try AES.GCM.open(box, using: key.key, authenticating: Data(parts[0].utf8))
            guard let text = String(validating: opened, as: UTF8.self) else { throw SealingError.malformed }
            return Secret(text)
        } catch {
            throw .altered
        }
    }

    /// The protected header. `embark_signup` and `embark_purpose` are private names (RFC 7516, section 4.3).
    private struct Header: Codable {
        let alg: String
        let enc: String
        let kid: String
        let signup: String
        let purpose: String

        enum CodingKeys: String, CodingKey {
            case alg, enc, kid
            case signup = "embark_signup"
            case purpose = "embark_purpose"
        }
    }
}

/// Why something could not be sealed or opened.
public enum SealingError: Error, Equatable, CustomStringConvertible {
    case noKey
    case failed
    case malformed
    case unknownKey(id: String)
    case otherRow
    case altered

    public var description: String {
        switch self {
        case .noKey: "EMBARK_SEALING_KEYS has no key to seal with"
        case .failed: "sealing failed"
        case .malformed: "the sealed text is not a compact JWE of Embark's"
        case .unknownKey(let id): "the sealed text needs the key \(id), which EMBARK_SEALING_KEYS does not have"
        case .otherRow: "the sealed text belongs to another signup or purpose: the row has been tampered with"
        case .altered: "the sealed text has been altered, or the key with its id is another one"
        }
    }
}
