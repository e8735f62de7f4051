/// What upstream hands in for one signup, as text: SQL checks it, so that there is one place where the rules stand.
public struct SignupInput: Sendable {
    public var code: String?
    public var wabaID: String?
    public var phoneNumberID: String?
    public var businessID: String?
    public var currency: String?
    public var externalID: String?
    public var flow: String?
    public var pin: String?
    public var testRecipient: String?
    public var testMessage: String?
    public var codeIssuedAt: String?
    public var redirectURI: String?
    public var dataLocalizationRegion: String?
    public var webhookOverride: String?
    public var metadata: String?

    public init() {}
}
