/// Whose certificates Graph may show.
import NIOSSL

enum TrustedAuthorities {
    /// OpenSSL's own variable, which curl and Python know, too: a file of PEM certificates in place of the system's.
    static let variable = "SSL_CERT_FILE"

    /// nil where the variable is not set: the system's authorities.
    static func read(_ sources: SettingSources) throws(SettingsError) -> [NIOSSLCertificate]? {
        guard let path = sources.certificateFile, !path.isEmpty else { return nil }
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            if !certificates.isEmpty { return certificates }
        } catch {
            // What BoringSSL says of it helps nobody.
        }
        throw .malformed(name: variable, rule: "must name a file of PEM certificates that this process can read")
    }
}
