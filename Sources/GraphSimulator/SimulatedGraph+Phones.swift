/// Numbers: registration with its quota, PINs, synchronisation, messages.
extension SimulatedGraph {
    func readPhone(_ id: String) -> GraphReply {
        let isConnected = phones[id]?.isConnected == true
        return .ok([
            "id": .string(id),
            "status": isConnected ? "CONNECTED" : "PENDING",
            "platform_type": isConnected ? "CLOUD_API" : "NOT_APPLICABLE",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
        ])
    }

    mutating func register(_ id: String, _ call: GraphCall, _ caller: Caller, now: Double) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        guard call.parameters["messaging_product"] == "whatsapp", let pin = call.parameters["pin"],
            !call.nonStrings.contains("pin"), pin.wholeMatch(of: /[0-9]{6}/) != nil
        else { return (.error(100, "(#100) Param pin must be a string of six digits"), []) }
        if let refusal = countCall(id, now: now) { return refusal }
        if let known = phones[id]?.pin, known != pin {
            return (
                .error(133_005, "(#133005) Two step verification PIN Mismatch"),
                [Effect(name: "register_refused", ids: [("phone_number_id", .string(id))])]
            )
        }
        phones[id]?.isConnected = true
        phones[id]?.pin = pin
        return (
            .ok(["success": true]),
            [Effect(name: "register_phone", ids: [("phone_number_id", .string(id))])]
        )
    }

    /// Ten calls in a moving 72 hours; the eleventh blocks the number for 72 more (Meta, "Register a business phone number").
    private mutating func countCall(_ id: String, now: Double) -> (GraphReply, [Effect])? {
        var phone = phones[id] ?? Phone()
        phone.calls.removeAll { $0 <= now - Self.registerWindowSeconds }
        let blocked = GraphReply.error(133_016, "(#133016) Account register/deregister rate limit exceeded")
        if now < phone.blockedUntil { return (blocked, []) }
        if phone.calls.count >= Self.registerCallsMax {
            phone.blockedUntil = now + Self.registerWindowSeconds
            phones[id] = phone
            return (blocked, [Effect(name: "register_blocked", ids: [("phone_number_id", .string(id))])])
        }
        phone.calls.append(now)
        phones[id] = phone
        return nil
    }

    mutating func deregister(_ id: String, _ caller: Caller, now: Double) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        if let refusal = countCall(id, now: now) { return refusal }
        phones[id]?.isConnected = false
        return (.ok(["success": true]), [Effect(name: "deregister_phone", ids: [("phone_number_id", .string(id))])])
    }

    mutating func changePIN(_ id: String, _ call: GraphCall, _ caller: Caller) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        guard let pin = call.parameters["pin"], pin.wholeMatch(of: /[0-9]{6}/) != nil else {
            return (.error(100, "(#100) Invalid parameter"), [])
        }
        phones[id]?.pin = pin
        return (.ok(["success": true]), [Effect(name: "set_pin", ids: [("phone_number_id", .string(id))])])
    }

    mutating func sync(_ id: String, _ call: GraphCall, _ caller: Caller) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        guard let type = call.parameters["sync_type"], ["smb_app_state_sync", "history"].contains(type) else {
            return (.error(100, "(#100) Invalid parameter"), [])
        }
        guard phones[id]?.synced.insert(type).inserted == true else {
            return (.error(2_593_107, "The synchronization has already been requested"), [])
        }
        return (
            .ok(["messaging_product": "whatsapp", "request_id": .string("sync-\(number())")]),
            [Effect(name: "sync_app_data", ids: [("phone_number_id", .string(id)), ("sync_type", .string(type))])]
        )
    }

    mutating func send(_ id: String, _ call: GraphCall, _ caller: Caller) -> (GraphReply, [Effect]) {
        if let refusal = guarded(id, caller) { return (refusal, []) }
        guard phones[id]?.isConnected == true else {
            return (.error(133_010, "(#133010) The account is not registered"), [])
        }
        guard call.parameters["messaging_product"] == "whatsapp", call.parameters["type"] == "text",
            let to = call.parameters["to"], let body = call.parameters["text"], !body.isEmpty, body.count <= 4096
        else { return (.error(100, "(#100) Invalid parameter"), []) }
        let message = "wamid.SIM\(number())"
        messages.append((message, id, to))
        let waID = String(to.filter(\.isNumber))
        return (
            .ok([
                "messaging_product": "whatsapp",
                "contacts": [["input": .string(to), "wa_id": .string(waID)]],
                "messages": [["id": .string(message), "message_status": "accepted"]],
            ]),
            [
                Effect(
                    name: "send_test_message",
                    ids: [
                        ("phone_number_id", .string(id)), ("message_id", .string(message)),
                        ("callback_data", .string(call.parameters["biz_opaque_callback_data"] ?? "")),
                    ]
                )
            ]
        )
    }
}
