/// What SQL and every worker must agree on about this installation. No secrets: those are settings of each process.
public struct Installation: Sendable, Equatable {
    public var partnerMode: PartnerMode
    /// Ids as Graph has them: 1 to 32 ASCII digits.
    public var appID: String
    public var creditLineID: String?
    public var systemUserID: String?
    /// Our own business portfolio.
    public var businessID: String?
    /// ISO 4217 codes in which our credit line may be shared, in upper case; not empty.
    public var currencies: [String]
    public var creditMethod: CreditMethod
    public var verifiesGrants: Bool

    /// The currencies in which Meta shares a credit line (Meta, "Managing credit lines", 2026-05).
    public static let documentedCurrencies = ["AUD", "EUR", "GBP", "IDR", "INR", "USD"]

    public init(
        partnerMode: PartnerMode = .solutionPartner,
        appID: String = "",
        creditLineID: String? = nil,
        systemUserID: String? = nil,
        businessID: String? = nil,
        currencies: [String] = documentedCurrencies,
        creditMethod: CreditMethod = .shareAndAttach,
        verifiesGrants: Bool = true
    ) {
        self.partnerMode = partnerMode
        self.appID = appID
        self.creditLineID = creditLineID
        self.systemUserID = systemUserID
        self.businessID = businessID
        self.currencies = currencies
        self.creditMethod = creditMethod
        self.verifiesGrants = verifiesGrants
    }

    /// What keeps this installation from working, a sentence each, with the flag that mends it; empty when all is well.
    public var problems: [String] {
        var problems: [String] = []
        if appID.isEmpty {
            problems.append("the app's id is missing: --app-id, from the app's dashboard at developers.facebook.com")
        }
        let ids = [
            ("--app-id", appID), ("--credit-line-id", creditLineID), ("--system-user-id", systemUserID),
            ("--business-id", businessID),
        ]
        for (flag, id) in ids {
            if let id, !id.isEmpty || flag != "--app-id", !Self.isGraphID(id) {
                problems.append("\(flag) must be 1 to 32 ASCII digits")
            }
        }
        if partnerMode == .solutionPartner, creditLineID == nil {
            problems.append(
                "a solution partner shares a credit line: --credit-line-id, from GET /BUSINESS_ID/extendedcredits,"
                    + " or --partner-mode tech-provider"
            )
        }
        let isCurrency = { (code: String) in
            code.utf8.count == 3 && code.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        }
        if currencies.isEmpty || !currencies.allSatisfy(isCurrency) {
            problems.append("--currencies must be three-letter codes in upper case, separated by commas: USD,EUR")
        }
        return problems
    }

    /// Whether Graph could have given out this id. Ids stay text: some have more digits than a floating-point number.
    public static func isGraphID(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// How a credit line is shared (Meta, "Managing credit lines"): by the documented call, or by the two that Meta tests as
/// its replacement.
public enum CreditMethod: String, Sendable, CaseIterable {
    /// `whatsapp_credit_sharing_and_attach`
    case shareAndAttach = "share-and-attach"
    /// `whatsapp_credit_sharing`, then `whatsapp_credit_attach`
    case shareThenAttach = "share-then-attach"
}
