/// A rotation's changes of a JWK Set. Whatever else stands in it, in a key or beside the keys, stays as it is.
import Foundation
public import Onboarding

extension KeyRing {
    /// The set with one more key, new and random, at its end: it opens and does not seal yet.
    public static func adding(id: String, to set: Secret) throws(KeyRingError) -> Secret {
        let new = try object(newKeySet(id: id))["keys"] as? [[String: Any]] ?? []
        return try edited(set) { $0 + new }
    }

    /// The set with this key at its beginning, where it seals.
    public static func promoting(id: String, in set: Secret) throws(KeyRingError) -> Secret {
        try edited(set) { keys in
            keys.filter { $0["kid"] as? String == id } + keys.filter { $0["kid"] as? String != id }
        }
    }

    /// The set without this key. What it has sealed cannot be opened with what is left.
    public static func dropping(id: String, from set: Secret) throws(KeyRingError) -> Secret {
        try edited(set) { keys in keys.filter { $0["kid"] as? String != id } }
    }

    private static func edited(
        _ set: Secret,
        _ change: ([[String: Any]]) -> [[String: Any]]
    ) throws(KeyRingError) -> Secret {
        var members = try object(set)
        guard let keys = members["keys"] as? [[String: Any]] else { throw .notAKeySet }
        // Of two members with one name this reader may take the other one: a key must not get another id unseen.
        var ids: [String]?
        do { ids = try KeyRing(jwkSet: set.revealed).keyIDs } catch { ids = nil }
        if let ids, ids != keys.map({ $0["kid"] as? String ?? "" }) { throw .notAKeySet }
        members["keys"] = change(keys)
        let data: Data
        do {
            data = try JSONSerialization.data(withJSONObject: members, options: [.sortedKeys, .withoutEscapingSlashes])
        } catch {
            throw .notAKeySet
        }
        let text = String(decoding: data, as: UTF8.self)
        // Read as a worker will read it, before anybody stores it.
        _ = try KeyRing(jwkSet: text)
        return Secret(text)
    }

    private static func object(_ set: Secret) throws(KeyRingError) -> [String: Any] {
        do {
            let value = try JSONSerialization.jsonObject(with: Data(set.revealed.utf8))
            if let object = value as? [String: Any] { return object }
        } catch {
            throw .notAKeySet
        }
        throw .notAKeySet
    }
}
