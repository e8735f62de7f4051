/// What to do when libpq and the server do not agree on TLS.

enum TLSAdvice {
    /// By libpq's words, which it never translates here; nil where TLS is not the trouble. Never "turn it off".
    static func `for`(_ words: String) -> String? {
        let advice = [
            ("does not match host name", "Connect by a name that the server's certificate has"),
            (
                "certificate verify failed",
                "The server's certificate has expired, or is of an authority that is not in the file that sslrootcert names"
            ),
            ("root certificate file", "Let sslrootcert name a file with the authority's certificate"),
            ("does not support SSL", "Set ssl = on in the server's postgresql.conf"),
            ("could not load private key file", "Let sslkey name a key that this user alone can read"),
            ("has group or world access", "chmod 600 the file that sslkey names"),
        ]
        return advice.first { words.contains($0.0) }?.1
    }
}
