import Onboarding
import OnboardingRuntime

/// A JWK Set that is taken has usable keys with ids of their own, and each change of a rotation makes another such set.
enum KeysProperties {
    private static let newID = "fuzz-new"

    static func check(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let ring = read(text) else { return }
        let ids = ring.keyIDs
        require((1...64).contains(ids.count) && Set(ids).count == ids.count, "ids are distinct: \(ids)")
        require(ids.allSatisfy { (1...128).contains($0.utf8.count) }, "ids are of 1 to 128 bytes")
        guard let sealed = try? ring.seal(Secret("000123"), signupID: 1, purpose: .pin),
            let opened = try? ring.open(sealed, signupID: 1, purpose: .pin)
        else { return require(false, "a ring opens what it seals: \(ids)") }
        require(opened.revealed == "000123", "a ring opens what it seals, to the same")
        checkRotation(text, ids, sealed)
    }

    private static func read(_ text: String) -> KeyRing? {
        do {
            return try KeyRing(jwkSet: text)
        } catch {
            require(error.description.utf8.count < 120, "a refusal names a place and no content: \(error)")
            return nil
        }
    }

    /// As `embark key rotate` goes: one more key, at the front, and the others dropped.
    private static func checkRotation(_ text: String, _ ids: [String], _ sealed: String) {
        let added: Secret
        do {
            added = try KeyRing.adding(id: newID, to: Secret(text))
        } catch {
            // The reader of a worker looks at keys alone, and takes another one of two members with one name. Nothing is stored.
            return
        }
        let withNew = read(added.revealed)
        require(withNew?.keyIDs == ids + [newID], "a key is added at the end: \(withNew?.keyIDs ?? [])")
        guard let promoted = try? KeyRing.promoting(id: newID, in: added) else {
            return require(false, "the new key can seal")
        }
        let ring = read(promoted.revealed)
        require(ring?.keyIDs == [newID] + ids, "a key is put at the front: \(ring?.keyIDs ?? [])")
        require((try? ring?.open(sealed, signupID: 1, purpose: .pin))?.revealed == "000123", "old texts still open")
        guard let dropped = try? KeyRing.dropping(id: newID, from: promoted) else {
            return require(false, "the new key can be dropped")
        }
        require(read(dropped.revealed)?.keyIDs == ids, "a rotation that was taken back leaves what there was")
    }
}
