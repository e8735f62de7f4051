/// Accounts: webhooks, users, and the credit line.
extension SimulatedGraph {
    func listPhones(_ wabaID: String, _ call: GraphCall) -> GraphReply {
        let all = phonesOf[wabaID] ?? []
        let start = call.parameters["after"].flatMap { Int($0) } ?? 0
        let limit = max(1, call.parameters["limit"].flatMap { Int($0) } ?? 25)
        let page = all.dropFirst(start).prefix(limit)
        let end = start + page.count
        var paging: [(String, Value)] = [
            ("cursors", ["before": .string("\(start)"), "after": .string("\(end)")])
        ]
        if end < all.count { paging.append(("next", .string("https://graph.facebook.com/next?after=\(end)"))) }
        return .ok(["data": .list(page.map { listedPhone($0) }), "paging": .object(paging)])
    }

    private func listedPhone(_ id: String) -> Value {
        let isConnected = phones[id]?.isConnected == true
        return [
            "id": .string(id), "display_phone_number": .string("+1 555 \(id.suffix(7))"),
            "verified_name": "Simulated customer", "status": isConnected ? "CONNECTED" : "PENDING",
            "quality_rating": isConnected ? "GREEN" : "UNKNOWN",
        ]
    }

    /// The token's app, or for a system user's token the only one that has exchanged a code of this account.
    private func appID(_ caller: Caller, _ wabaID: String) -> String {
        if case .business(let grant) = caller { return grant.appID }
        return tokenOf[wabaID].flatMap { grants[$0]?.appID } ?? ""
    }

    mutating func subscribe(_ id: String, _ call: GraphCall, _ caller: Caller) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        let app = appID(caller, id)
        switch call.method {
        case .get:
            let data = (subscriptions[id]?.appIDs ?? []).sorted().map { app -> Value in
                var members: [(String, Value)] = [
                    (
                        "whatsapp_business_api_data",
                        ["id": .string(app), "name": "simulated", "link": "https://example.com"]
                    )
                ]
                if let uri = subscriptions[id]?.overrideURI { members.append(("override_callback_uri", .string(uri))) }
                return .object(members)
            }
            return (.ok(["data": .list(data)]), [])
        case .delete:
            subscriptions[id] = nil
            return (.ok(["success": true]), [Effect(name: "unsubscribe_app", ids: [("waba_id", .string(id))])])
        case .post, .put:
            let uri = call.parameters["override_callback_uri"]
            if uri != nil, subscriptions[id]?.appIDs.contains(app) != true {
                return (
                    .error(
                        100,
                        "(#100) Before override the current callback uri, your app must be subscribed to receive messages for "
                            + "WhatsApp Business Account"
                    ), []
                )
            }
            if let uri, uri.count > 200 || call.parameters["verify_token"] == nil {
                return (.error(100, "(#100) Invalid parameter"), [])
            }
            subscriptions[id, default: Subscription()].appIDs.insert(app)
            // A call without a body removes an override.
            subscriptions[id]?.overrideURI = uri
            return (
                .ok(["success": true]),
                [
                    Effect(
                        name: "subscribe_app",
                        ids: [
                            ("waba_id", .string(id)), ("app_id", .string(app)),
                            ("override_callback_uri", uri.map { .string($0) } ?? .null),
                        ]
                    )
                ]
            )
        }
    }

    mutating func assign(_ id: String, _ call: GraphCall, _ caller: Caller) -> (GraphReply, [Effect]) {
        guard case .system = caller else { return (.error(200, "(#200) Permissions error", status: 403), []) }
        guard businessOf[id] != nil else { return (Self.missing(id), []) }
        if call.method == .get {
            let users = (assigned[id] ?? []).sorted().map {
                ["id": .string($0), "name": "Simulated system user", "tasks": ["MANAGE"]] as Value
            }
            return (.ok(["data": .list(users)]), [])
        }
        guard let user = call.parameters["user"], user.allSatisfy(\.isNumber),
            call.parameters["tasks"]?.contains("MANAGE") == true
        else { return (.error(100, "(#100) Invalid parameter"), []) }
        assigned[id, default: []].insert(user)
        return (
            .ok(["success": true]),
            [Effect(name: "assign_system_user", ids: [("waba_id", .string(id)), ("user", .string(user))])]
        )
    }

    func readAccount(_ id: String, _ call: GraphCall) -> GraphReply {
        let fields = Set((call.parameters["fields"] ?? "").split(separator: ",").map(String.init))
        var members: [(String, Value)] = [("id", .string(id))]
        if fields.contains("primary_funding_id"), let funding = fundedBy[id] {
            members.append(("primary_funding_id", .string(funding)))
        }
        if fields.contains("owner_business_info"), let owner = businessOf[id] {
            members.append(("owner_business_info", ["name": "Simulated customer", "id": .string(owner)]))
        }
        if fields.contains("account_review_status") { members.append(("account_review_status", "APPROVED")) }
        return .ok(.object(members))
    }
}
