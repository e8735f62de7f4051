/// Grant: what `debug_token` says of a token (Meta, "Manage WhatsApp Business Accounts").
package struct Grant: Sendable, Equatable {
    package let isValid: Bool
    package let appID: String?
    /// The accounts that the customer gave access to.
    let wabaIDs: [String]
    /// Seconds since 1970; nil for a token without an end.
    package let expiresAt: Int?

    /// nil for an answer without `data`.
    package init?(_ value: JSON) {
        guard let data = value["data"] else { return nil }
        let scopes = data["granular_scopes"]?.array ?? []
        let targets = scopes.first { $0["scope"]?.string == "whatsapp_business_management" }?["target_ids"]?.array
        let end = data["expires_at"]?.int ?? 0
        isValid = data["is_valid"]?.bool == true
        appID = data["app_id"]?.id
        wabaIDs = targets?.compactMap(\.id) ?? []
        expiresAt = end > 0 ? end : nil
    }

    /// - Parameter now: seconds since 1970, by the database's clock.
    func lifetimeSeconds(now: Double) -> Int? {
        expiresAt.map { max(0, Self.lifetime($0 - Int(now)) ?? 0) }
    }

    /// A lifetime in seconds as it can be stored, whatever a broken answer says; nil for none. Meta has two: 60 days, and none.
    static func lifetime(_ seconds: Int?) -> Int? {
        seconds.flatMap { $0 > 0 ? min($0, lifetimeSecondsMax) : nil }
    }

    private static let lifetimeSecondsMax = 100 * 365 * 86_400
}
