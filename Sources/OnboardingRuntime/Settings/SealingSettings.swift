/// The key ring, for commands that open what is sealed.
import Onboarding

public struct SealingSettings: Sendable {
    public let keys: KeyRing

    /// - Throws: `SettingsError` when `EMBARK_SEALING_KEYS` is missing or no JWK Set. The error shows nothing of it.
    public init(sources: SettingSources) throws(SettingsError) {
        let text = try sources.string("EMBARK_SEALING_KEYS")
        guard !text.isEmpty else { throw .missing(name: "EMBARK_SEALING_KEYS") }
        do throws(KeyRingError) {
            keys = try KeyRing(jwkSet: text)
        } catch {
            throw .malformed(name: "EMBARK_SEALING_KEYS", rule: error.description)
        }
    }
}
