import Onboarding
import Testing

/// Expectations from Meta's published curl examples ("Onboarding business customers as a Solution Partner", "Managing
/// credit lines", "Manage system users", "Register a business phone number", "Webhook overrides").
@Suite("The requests are Meta's own")
struct RequestTests {
    private func call(_ step: Step, _ context: StepContext, after events: [StepEvent] = []) throws -> GraphRequest {
        guard case .call(let request) = step.nextMove(context, after: events) else {
            throw Unexpected(summary: step.nextMove(context, after: events).summary)
        }
        return request
    }

    struct Unexpected: Error { let summary: String }

    @Test("the exchange carries everything in its query, no token and no redirect_uri")
    func exchange() throws {
        let request = try call(.exchangeCode, Fixture.context())
        #expect(request.method == .get)
        #expect(request.path == "oauth/access_token")
        #expect(request.query.map(\.name) == ["client_id", "client_secret", "code"])
        #expect(request.query[0].value == .text("236484624622562"))
        #expect(request.query[1].value == .secret(Secret("614fc2afde15eee07a26b2fe3eaee9b9")))
        #expect(request.query[2].value == .secret(Secret("AQBhlXsctMxJYbwbrpybxlo9tLPGy")))
        #expect(request.body == .empty)
        #expect(request.token == .none)
        #expect(request.precondition == .sentMark)
    }

    @Test(
        "an empty redirect_uri is sent, an absent one is not",
        arguments: [(nil, 3), ("", 4), ("https://a.example/", 4)]
    )
    func redirect(uri: String?, fields: Int) throws {
        let request = try call(.exchangeCode, Fixture.context { $0.signup.redirectURI = uri })
        #expect(request.query.count == fields)
        if let uri { #expect(request.query.last == .init("redirect_uri", uri)) }
    }

    @Test("the grant is inspected with the app's token, then the account's numbers with the customer's")
    func verify() throws {
        let context = try Fixture.context()
        let first = try call(.verifyGrant, context)
        #expect(first.path == "debug_token")
        #expect(first.query == [.init("input_token", Secret("EAAbusiness"))])
        #expect(first.token == .app)
        let second = try call(.verifyGrant, context, after: [.ok(.debugToken, grant())])
        #expect(second.method == .get)
        #expect(second.path == "102290129340398/phone_numbers")
        #expect(second.token == .business)
    }

    @Test("subscribing has an empty body; an override is a second call behind it")
    func subscribe() throws {
        let plain = try call(.subscribeApp, Fixture.context())
        #expect(plain.method == .post)
        #expect(plain.path == "102290129340398/subscribed_apps")
        #expect(plain.body == .empty && plain.query.isEmpty)
        #expect(plain.token == .business)

        let context = try Fixture.context { $0.signup.overrideCallbackURI = "https://hooks.example/wa" }
        #expect(try call(.subscribeApp, context) == plain, "the plain call comes first with an override, too")
        let override = try call(.subscribeApp, context, after: [.ok(.subscribeApp, ["success": true])])
        #expect(override.path == plain.path)
        #expect(
            override.body
                == .json([
                    .init("override_callback_uri", "https://hooks.example/wa"),
                    .init("verify_token", Secret("verify-me")),
                ])
        )
    }

    @Test("the system user is assigned with MANAGE by our own token")
    func assign() throws {
        let request = try call(.assignSystemUser, Fixture.context())
        #expect(request.method == .post)
        #expect(request.path == "102290129340398/assigned_users")
        #expect(request.query == [.init("user", "122198765432109"), .init("tasks", "['MANAGE']")])
        #expect(request.token == .system)
    }

    @Test("the credit line is shared by one call with its parameters in the query")
    func share() throws {
        let request = try call(
            .shareCreditLine,
            Fixture.context(),
            after: [.ok(.readAccount, ["id": "102290129340398"])]
        )
        #expect(request.method == .post)
        #expect(request.path == "1972385232742146/whatsapp_credit_sharing_and_attach")
        #expect(request.query == [.init("waba_currency", "USD"), .init("waba_id", "102290129340398")])
        #expect(request.body == .empty)
        #expect(request.token == .system)
        #expect(request.precondition == .creditShare(wabaID: "102290129340398"))
    }

    @Test("registering sends the PIN as a JSON string, leading zeros and all")
    func register() throws {
        let pending = StepEvent.ok(
            .readPhone,
            ["status": "PENDING", "platform_type": "NOT_APPLICABLE", "id": .string(Fixture.phoneID)]
        )
        let request = try call(.registerPhone, Fixture.context(), after: [pending])
        #expect(request.method == .post)
        #expect(request.path == "106540352242922/register")
        #expect(request.body == .json([.init("messaging_product", "whatsapp"), .init("pin", Secret("000123"))]))
        #expect(request.token == .business)
        #expect(request.precondition == .registerCall(phoneNumberID: "106540352242922"))

        let regional = try call(
            .registerPhone,
            Fixture.context { $0.signup.dataLocalizationRegion = "DE" },
            after: [pending]
        )
        #expect(
            regional.body
                == .json([
                    .init("messaging_product", "whatsapp"), .init("pin", Secret("000123")),
                    .init("data_localization_region", "DE"),
                ])
        )
    }

    @Test("the test message is Meta's text message, marked with the signup it belongs to")
    func message() throws {
        let request = try call(.sendTestMessage, Fixture.context())
        #expect(request.path == "106540352242922/messages")
        #expect(
            request.body
                == .json([
                    .init("messaging_product", "whatsapp"), .init("recipient_type", "individual"),
                    .init("to", "+16505551234"), .init("type", "text"),
                    .init("text", [GraphRequest.Field("body", "Message received, loud and clear!")]),
                    .init("biz_opaque_callback_data", "embark:4711:1"),
                ])
        )
        #expect(request.precondition == .sentMark)
    }

    @Test(
        "a number that stays in the WhatsApp Business app is synchronised",
        arguments: [
            (Step.syncContacts, "smb_app_state_sync"), (.syncHistory, "history"),
        ]
    )
    func sync(step: Step, type: String) throws {
        let request = try call(step, Fixture.context())
        #expect(request.path == "106540352242922/smb_app_data")
        #expect(request.body == .json([.init("messaging_product", "whatsapp"), .init("sync_type", type)]))
        #expect(request.precondition == .sentMark)
    }
}

/// What debug_token answers for a granted account (Meta, "Manage accounts").
func grant(
    app: String = "236484624622562",
    valid: Bool = true,
    wabas: [String] = [Fixture.wabaID],
    expiresAt: Int = 0
) -> JSON {
    [
        "data": [
            "app_id": .string(app), "is_valid": .bool(valid), "type": "SYSTEM_USER",
            "expires_at": .number("\(expiresAt)"),
            "granular_scopes": [
                ["scope": "business_management"],
                ["scope": "whatsapp_business_management", "target_ids": .array(wabas.map { .string($0) })],
            ],
        ]
    ]
}
