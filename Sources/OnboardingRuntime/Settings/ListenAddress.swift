/// Where a worker answers probes: `EMBARK_LISTEN`.

struct ListenAddress: Sendable, Equatable {
    let host: String
    let port: Int
    /// Whether nobody asked for it: a default that is taken gives way to the next free port.
    let isDefault: Bool

    /// - Throws: `SettingsError` when it is not HOST:PORT.
    init(sources: SettingSources) throws(SettingsError) {
        let text = try sources.string("EMBARK_LISTEN")
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let port = Int(parts[1]), (0...65_535).contains(port) else {
            throw .malformed(name: "EMBARK_LISTEN", rule: "must be HOST:PORT, such as 127.0.0.1:9464")
        }
        host = String(parts[0])
        self.port = port
        isDefault = text == SettingSources.defaults["EMBARK_LISTEN"]
    }
}
