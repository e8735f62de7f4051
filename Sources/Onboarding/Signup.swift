/// The public facts of one signup, as the database keeps them. No secrets.
public struct Signup: Sendable, Equatable {
    public var id: Int64
    /// Counts the runs of the signup, from 1: a replay or a renewal is a new one.
    public var generation: Int32
    public var flow: Flow
    public var plan: Plan
    public var wabaID: String?
    public var phoneNumberID: String?
    /// The customer's business portfolio.
    public var businessID: String?
    public var currency: String?
    public var redirectURI: String?
    public var dataLocalizationRegion: String?
    public var overrideCallbackURI: String?
    public var testRecipient: String?
    public var testMessage: String?
    public var allocationConfigID: String?
    public var testMessageID: String?

    public init(
        id: Int64,
        generation: Int32 = 1,
        flow: Flow,
        plan: Plan,
        wabaID: String? = nil,
        phoneNumberID: String? = nil,
        businessID: String? = nil,
        currency: String? = nil,
        redirectURI: String? = nil,
        dataLocalizationRegion: String? = nil,
        overrideCallbackURI: String? = nil,
        testRecipient: String? = nil,
        testMessage: String? = nil,
        allocationConfigID: String? = nil,
        testMessageID: String? = nil
    ) {
        self.id = id
        self.generation = generation
        self.flow = flow
        self.plan = plan
        self.wabaID = wabaID
        self.phoneNumberID = phoneNumberID
        self.businessID = businessID
        self.currency = currency
        self.redirectURI = redirectURI
        self.dataLocalizationRegion = dataLocalizationRegion
        self.overrideCallbackURI = overrideCallbackURI
        self.testRecipient = testRecipient
        self.testMessage = testMessage
        self.allocationConfigID = allocationConfigID
        self.testMessageID = testMessageID
    }
}

/// What a step's calls need that is secret. Each is there only when the step can use it.
public struct Credentials: Sendable {
    public var appID: String
    public var appSecret: Secret
    /// Our system user's token; none for a tech provider.
    public var systemToken: Secret?
    /// The customer's business token, once the code has been exchanged.
    public var businessToken: Secret?
    public var code: Secret?
    public var pin: Secret?
    /// Of the webhook override.
    public var verifyToken: Secret?

    public init(
        appID: String,
        appSecret: Secret,
        systemToken: Secret? = nil,
        businessToken: Secret? = nil,
        code: Secret? = nil,
        pin: Secret? = nil,
        verifyToken: Secret? = nil
    ) {
        self.appID = appID
        self.appSecret = appSecret
        self.systemToken = systemToken
        self.businessToken = businessToken
        self.code = code
        self.pin = pin
        self.verifyToken = verifyToken
    }
}
