/// What the Embedded Signup popup ended with, which decides what is left to do.
///
/// The popup's session event names it: `FINISH`, `FINISH_ONLY_WABA`, `FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING` and
/// `FINISH_GRANT_ONLY_API_ACCESS`, in the order of the cases (Meta, "Embedded Signup: Implementation").
public enum Flow: String, Sendable, CaseIterable {
    /// An account and a number that is to be registered for Cloud API.
    case cloudAPI = "cloud_api"
    /// An account without a number.
    case onlyWABA = "only_waba"
    /// A number that stays in the WhatsApp Business app, too: it is registered already and must not be registered again.
    case coexistence
    /// Access to an account that the customer runs and pays for itself.
    case apiAccessOnly = "api_access_only"
}

/// How the installation works with Meta.
public enum PartnerMode: String, Sendable, CaseIterable {
    /// Pays for its customers: shares its credit line with each account.
    case solutionPartner = "solution-partner"
    /// Its customers pay Meta themselves: no system user, no credit line.
    case techProvider = "tech-provider"
}
