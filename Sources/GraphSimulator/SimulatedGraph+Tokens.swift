/// Codes and tokens: the exchange, the inspection, and the recovery of a token whose answer was lost.
extension SimulatedGraph {
    mutating func exchange(_ call: GraphCall, now: Double) -> (GraphReply, [Effect]) {
        guard let appID = call.parameters["client_id"], call.parameters["client_secret"]?.isEmpty == false else {
            return (.error(101, "Missing client_id parameter."), [])
        }
        let text = call.parameters["code"] ?? ""
        guard var known = codes[text] ?? Self.selfDescribing(text) else {
            return (Self.codeError("Invalid verification code format.", nil), [])
        }
        // Codes of the JavaScript SDK are exchanged without it, and an empty one is refused, too; those of the redirect dialog
        // repeat theirs byte for byte.
        if call.parameters["redirect_uri"] != known.redirectURI {
            return (
                Self.codeError(
                    "Error validating verification code. Please make sure your redirect_uri is identical to the one you used "
                        + "in the OAuth dialog request",
                    36_008
                ), []
            )
        }
        if known.isSpent { return (Self.codeError("This authorization code has been used.", 36_009), []) }
        if let mintedAt = known.mintedAt, now - mintedAt > Self.codeSeconds {
            return (Self.codeError("This authorization code has expired.", 36_007), [])
        }
        known.isSpent = true
        spend(text, known)
        if let pin = SelfDescribingCode(text)?.pin { setPIN(pin, of: known.assets.phoneNumberID) }
        let token = grant(known.assets, appID: appID)
        return (
            .ok(["access_token": .string(token), "token_type": "bearer"]),
            [
                Effect(
                    name: "exchange_code",
                    ids: [
                        ("code", .string(text)), ("waba_id", .string(known.assets.wabaID)), ("app_id", .string(appID)),
                    ]
                )
            ]
        )
    }

    /// A code may say itself what it grants.
    static func selfDescribing(_ text: String) -> Code? {
        guard let code = SelfDescribingCode(text) else { return nil }
        var assets = Assets(wabaID: code.wabaID, phoneNumberID: code.phoneNumberID, businessID: code.businessID)
        assets.tokenEnd = code.tokenEnd ?? 0
        return Code(assets: assets, mintedAt: code.isExpired ? -.infinity : nil)
    }

    private static func codeError(_ message: String, _ subcode: Int?) -> GraphReply {
        var reply = GraphReply.error(100, message, subcode: subcode)
        reply.headers = [("WWW-Authenticate", "OAuth \"Facebook Platform\" \"invalid_code\" \"\(message)\"")]
        return reply
    }

    mutating func debugToken(_ call: GraphCall, _ caller: Caller) -> GraphReply {
        // A token that was fetched belongs to the app whose secret proved it, which only the app's own token names here.
        if case .app(let appID) = caller { adopt(call.parameters["input_token"] ?? "", appID: appID) }
        guard let grant = grants[call.parameters["input_token"] ?? ""] else {
            // Any other token of this form is our system user's, which the app has been given by its business.
            if case .app(let appID) = caller, call.parameters["input_token"]?.hasPrefix("EAA") == true {
                return .ok([
                    "data": [
                        "app_id": .string(appID), "type": "SYSTEM_USER", "is_valid": true, "expires_at": 0,
                        "scopes": [],
                    ]
                ])
            }
            return .ok([
                "data": ["is_valid": false, "error": ["code": 190, "message": "Malformed access token"], "scopes": []]
            ])
        }
        let targets: Value = [.string(grant.assets.wabaID)]
        return .ok([
            "data": [
                "app_id": .string(grant.appID), "type": "SYSTEM_USER", "is_valid": true,
                "expires_at": .int(grant.assets.tokenEnd),
                "scopes": ["business_management", "whatsapp_business_management", "whatsapp_business_messaging"],
                "granular_scopes": [
                    ["scope": "business_management"],
                    ["scope": "whatsapp_business_management", "target_ids": targets],
                    ["scope": "whatsapp_business_messaging", "target_ids": targets],
                ],
            ]
        ])
    }

    /// The token of a business that a code has named, without the code (Meta, "Hosted Embedded Signup").
    mutating func recover(_ call: GraphCall, businessID: String, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard case .system = caller else { return (.error(200, "Permissions error", status: 403), []) }
        guard call.parameters["appsecret_proof"]?.wholeMatch(of: /[0-9a-f]{64}/) != nil else {
            return (.error(100, "API calls from the server require an appsecret_proof argument"), [])
        }
        guard let assets = assetsOf[businessID] else { return (Self.missing(businessID), []) }
        let existing = tokenOf[assets.wabaID].flatMap { grants[$0]?.assets == assets ? $0 : nil }
        let token = existing ?? grant(assets, appID: "")
        return (
            .ok(["access_token": .string(token)]),
            [Effect(name: "recover_token", ids: [("business_id", .string(businessID))])]
        )
    }
}
