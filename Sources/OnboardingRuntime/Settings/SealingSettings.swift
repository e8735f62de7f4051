/// The key ring, for commands that open what is sealed.
public import Onboarding

public struct SealingSettings: Sendable {
    public let keys: KeyRing
    /// The JWK Set itself, for what changes it.
    public let text: Secret

    /// - Throws: `SettingsError` when `EMBARK_SEALING_KEYS` is missing or no JWK Set. The error shows nothing of it.
    public init(sources: SettingSources) throws(SettingsError) {
        let text = try sources.string("EMBARK_SEALING_KEYS")
        guard !text.isEmpty else { throw .missing(name: "EMBARK_SEALING_KEYS") }
        do throws(KeyRingError) {
            keys = try KeyRing(jwkSet: text)
        } catch {
            throw .malformed(name: "EMBARK_SEALING_KEYS", rule: error.description)
        }
        self.text = Secret(text)
    }
}
