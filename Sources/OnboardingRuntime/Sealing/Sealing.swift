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
        do {
            let protected = Base64URL.encode(key.header(signupID: signupID, purpose: purpose).utf8)
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
        try openNamingKey(sealed, signupID: signupID, purpose: purpose).secret
    }

    /// The same, and which key opened it.
    func openNamingKey(
        _ sealed: String,
        signupID: Int64,
        purpose: SealedPurpose
    ) throws(SealingError) -> (secret: Secret, keyID: String) {
        let parts = sealed.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[1].isEmpty,
            let headerBytes = Base64URL.decode(parts[0]),
            let nonce = Base64URL.decode(parts[2]), nonce.count == 12,
            let ciphertext = Base64URL.decode(parts[3]),
            let tag = Base64URL.decode(parts[4]), tag.count == 16
        else { throw .malformed }
        let key = try key(for: headerBytes, signupID: signupID, purpose: purpose)
        do {
            let box = try AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: nonce),
                ciphertext: ciphertext,
                tag: tag
            )
            let opened = try AES.GCM.open(box, using: key.key, authenticating: Data(parts[0].utf8))
            guard let text = String(validating: opened, as: UTF8.self) else { throw SealingError.malformed }
            return (Secret(text), key.id)
        } catch {
            throw .altered
        }
    }

    /// The key that a protected header names, which must be one for this signup and purpose.
    private func key(
        for header: [UInt8],
        signupID: Int64,
        purpose: SealedPurpose
    ) throws(SealingError) -> Key {
        // What Embark has sealed itself is compared as a whole: to read JSON costs ten times what opening does.
        if let key = keys.first(where: { $0.header(signupID: signupID, purpose: purpose).utf8.elementsEqual(header) }) {
            return key
        }
        guard let read = SealedHeader(json: header) else { throw .malformed }
        // What must be understood, and compression, are not: RFC 7516, section 5.2.
        guard read.alg == "dir", read.enc == "A256GCM", read.crit == nil, read.zip == nil else { throw .malformed }
        guard let key = keys.first(where: { $0.id == read.kid }) else { throw .unknownKey(id: read.kid) }
        guard read.signup == String(signupID), read.purpose == purpose.rawValue else { throw .otherRow }
        return key
    }

    /// Whether the first key has sealed it for this signup and purpose, in the form that Embark writes.
    func isUnderFirstKey(_ sealed: String, signupID: Int64, purpose: SealedPurpose) -> Bool {
        guard let header = keys.first?.header(signupID: signupID, purpose: purpose) else { return false }
        return sealed.utf8.starts(with: (Base64URL.encode(header.utf8) + ".").utf8)
    }
}

/// The protected header as any JOSE library may write it. `embark_signup` and `embark_purpose` are private names (RFC 7516,
/// section 4.3).
struct SealedHeader: Decodable {
    let alg: String
    let enc: String
    let kid: String
    let signup: String
    let purpose: String
    let crit: Present?
    let zip: Present?

    /// A member of which only matters that it is there.
    struct Present: Decodable {
        init(from decoder: any Decoder) {}
    }

    enum CodingKeys: String, CodingKey {
        case alg, enc, kid, crit, zip
        case signup = "embark_signup"
        case purpose = "embark_purpose"
    }

    /// nil for what is no such header.
    init?(json: some Sequence<UInt8>) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json))
        } catch {
            return nil
        }
    }
}

extension KeyRing.Key {
    /// The protected header of what this key seals.
    fileprivate func header(signupID: Int64, purpose: SealedPurpose) -> String {
        #"{"alg":"dir","embark_purpose":"\#(purpose.rawValue)","embark_signup":"\#(signupID)","enc":"A256GCM","kid":"#
            + quotedID + "}"
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

    /// Whether another process, with another ring, may open it.
    var isMissingKey: Bool {
        if case .unknownKey = self { true } else { false }
    }

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
