/// Each endpoint over HTTP: what it answers, what it refuses, and what it leaves in the ledger.
import AsyncHTTPClient
import Foundation
import GraphSimulator
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

/// A simulator on a free port, and a client that speaks to it as any program would.
struct Platform: Sendable {
    struct Answer: Sendable {
        let status: Int
        let text: String
        let headers: [String: String]

        var json: Any? { try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) }
        subscript(_ path: String...) -> Any? {
            path.reduce(json) { value, name in
                if let index = Int(name), let list = value as? [Any] { return index < list.count ? list[index] : nil }
                return (value as? [String: Any])?[name]
            }
        }
        var code: Int? { self["error", "code"] as? Int }
    }

    let simulator: Simulator
    let url: String

    static let system = "EAAsystem"
    static let account = "102290129340398"
    static let number = "106540352242922"
    static let business = "2729063490586005"
    static let line = "1972385232742146"

    static func with(
        faults: String = "{}",
        clock: @escaping @Sendable () -> Double = Simulator.systemClock,
        _ body: (Platform) async throws -> Void
    ) async throws {
        let simulator = Simulator(faults: try FaultPlan(json: faults), seed: 7, clock: clock)
        let server = try await SimulatorServer.start(simulator)
        do {
            try await body(Platform(simulator: simulator, url: "http://127.0.0.1:\(server.port)"))
        } catch {
            try await server.stop()
            throw error
        }
        try await server.stop()
    }

    func call(
        _ method: HTTPMethod = .GET,
        _ path: String,
        token: String? = Platform.system,
        json: String? = nil,
        form: String? = nil,
        timeout: TimeAmount = .seconds(10)
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url + path)
        request.method = method
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let json {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: json))
        } else if let form {
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(ByteBuffer(string: form))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: timeout)
        let body = try await response.body.collect(upTo: 1 << 22)
        let headers = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Answer(
            status: Int(response.status.code),
            text: String(buffer: body),
            headers: Dictionary(headers) { first, _ in first }
        )
    }

    func mint(pin: String? = nil) async throws -> String {
        let more = pin.map { #", "pin": "\#($0)""# } ?? ""
        let answer = try await call(
            .POST,
            "/simulator/codes",
            json:
                #"{"waba_id": "\#(Self.account)", "phone_number_id": "\#(Self.number)", "business_id": "\#(Self.business)"\#(more)}"#
        )
        return try #require(answer["code"] as? String)
    }

    func exchange(_ code: String, more: String = "") async throws -> Answer {
        try await call(
            .GET,
            "/v25.0/oauth/access_token?client_id=236484624622562&client_secret=s&code=\(code)\(more)",
            token: nil
        )
    }

    /// The business token of a fresh code.
    func token(pin: String? = nil) async throws -> String {
        try #require(try await exchange(try await mint(pin: pin))["access_token"] as? String)
    }

    /// How often this effect is in the ledger.
    func effects(_ name: String) -> Int { simulator.ledger.count { $0.contains(#""effect":"\#(name)""#) } }
}

@Suite(.timeLimit(.minutes(2))) struct EndpointTests {
    typealias P = Platform

    @Test func `A code gives one token, once, within thirty seconds`() async throws {
        let now = Mutex(1_000_000.0)
        let clock = { @Sendable in now.withLock(\.self) }
        try await Platform.with(clock: clock) { platform in
            let code = try await platform.mint()
            let answer = try await platform.exchange(code)
            #expect(answer.status == 200)
            #expect((answer["access_token"] as? String)?.hasPrefix("EAA") == true)
            #expect(answer["token_type"] as? String == "bearer")

            let again = try await platform.exchange(code)
            #expect(Shape.error.problems(of: again.json).isEmpty)
            #expect(again.status == 400 && again.code == 100 && again["error", "error_subcode"] as? Int == 36_009)
            #expect(again.headers["www-authenticate"]?.hasPrefix(#"OAuth "Facebook Platform" "invalid_code""#) == true)

            let old = try await platform.mint()
            now.withLock { $0 += 30.5 }
            let late = try await platform.exchange(old)
            #expect(late.code == 100 && late["error", "error_subcode"] as? Int == 36_007)

            let redirected = try await platform.exchange(try await platform.mint(), more: "&redirect_uri=")
            #expect(redirected.code == 100 && redirected["error", "error_subcode"] as? Int == 36_008)
            let nonsense = try await platform.exchange("nonsense")
            #expect(nonsense.code == 100 && nonsense["error", "error_subcode"] == nil)
            #expect(platform.effects("exchange_code") == 1)
        }
    }

    @Test func `A token is inspected: a customer's, our system user's, and one that is nobody's`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let answer = try await platform.call(.GET, "/v25.0/debug_token?input_token=\(token)", token: "1|s")
            #expect(answer["data", "is_valid"] as? Bool == true)
            #expect(answer["data", "app_id"] as? String == "236484624622562")
            #expect(answer["data", "expires_at"] as? Int == 0)
            #expect(answer["data", "granular_scopes", "1", "scope"] as? String == "whatsapp_business_management")
            #expect(answer["data", "granular_scopes", "1", "target_ids"] as? [String] == [P.account])
            let system = try await platform.call(.GET, "/v25.0/debug_token?input_token=EAAother", token: "7|s")
            #expect(system["data", "is_valid"] as? Bool == true)
            #expect(system["data", "app_id"] as? String == "7")
            #expect(system["data", "granular_scopes"] == nil)
            let other = try await platform.call(.GET, "/v25.0/debug_token?input_token=other", token: "1|s")
            #expect(other["data", "is_valid"] as? Bool == false)
        }
    }

    @Test func `A lost token comes back for a business that a code has named, with the proof alone`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let path = "/v25.0/\(P.business)/system_user_access_tokens"
            let proof = String(repeating: "0a", count: 32)
            let found = try await platform.call(.POST, path, form: "fetch_only=true&appsecret_proof=\(proof)")
            #expect(found["access_token"] as? String == token)
            #expect(try await platform.call(.POST, path, form: "fetch_only=true").code == 100)
            #expect(try await platform.call(.POST, path, token: token, form: "appsecret_proof=\(proof)").code == 200)
            let unknown = try await platform.call(
                .POST,
                "/v25.0/1/system_user_access_tokens",
                form: "appsecret_proof=\(proof)"
            )
            #expect(unknown.code == 100)
        }
    }

    @Test func `An override needs a subscription before it, and a call without a body removes it`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let path = "/v25.0/\(P.account)/subscribed_apps"
            let override = #"{"override_callback_uri": "https://example.com/hook", "verify_token": "v"}"#
            let early = try await platform.call(.POST, path, token: token, json: override)
            #expect(early.code == 100 && (early["error", "message"] as? String)?.contains("Before override") == true)
            let plain = try await platform.call(.POST, path, token: token)
            #expect(Shape.success.problems(of: plain.json).isEmpty && plain["success"] as? Bool == true)
            #expect(try await platform.call(.POST, path, token: token, json: override).status == 200)
            var list = try await platform.call(.GET, path, token: token)
            #expect(Shape.subscribedApps.problems(of: list.json).isEmpty)
            #expect(list["data", "0", "override_callback_uri"] as? String == "https://example.com/hook")
            #expect(list["data", "0", "whatsapp_business_api_data", "id"] as? String == "236484624622562")
            _ = try await platform.call(.POST, path, token: token)
            list = try await platform.call(.GET, path, token: token)
            #expect((list["data"] as? [Any])?.count == 1 && list["data", "0", "override_callback_uri"] == nil)
            _ = try await platform.call(.DELETE, path, token: token)
            #expect((try await platform.call(.GET, path, token: token)["data"] as? [Any])?.isEmpty == true)
            let long =
                #"{"override_callback_uri": "https://e.com/\#(String(repeating: "x", count: 200))", "verify_token": "v"}"#
            _ = try await platform.call(.POST, path, token: token)
            #expect(try await platform.call(.POST, path, token: token, json: long).code == 100)
        }
    }

    @Test func `A system user is assigned by our own token alone`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let path = "/v25.0/\(P.account)/assigned_users"
            #expect(try await platform.call(.POST, path + "?user=122198&tasks=['MANAGE']", token: token).code == 200)
            #expect(try await platform.call(.POST, path + "?user=122198").code == 100)
            let done = try await platform.call(.POST, path + "?user=122198&tasks=['MANAGE']")
            #expect(Shape.success.problems(of: done.json).isEmpty)
            let list = try await platform.call(.GET, path + "?business=1")
            #expect(Shape.assignedUsers.problems(of: list.json).isEmpty)
            #expect(list["data", "0", "id"] as? String == "122198")
        }
    }

    @Test func `A credit line is shared by one call, read back and taken away`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let path = "/v25.0/\(P.line)/whatsapp_credit_sharing_and_attach?waba_id=\(P.account)&waba_currency="
            #expect(try await platform.call(.POST, path + "USD").code == 200, "the system user is not on the account")
            _ = try await platform.call(.POST, "/v25.0/\(P.account)/assigned_users?user=1&tasks=['MANAGE']")
            #expect(try await platform.call(.POST, path + "BRL").code == 100)
            #expect(try await platform.call(.POST, path + "USD", token: token).code == 200)
            let account = "/v25.0/\(P.account)?fields=primary_funding_id,owner_business_info"
            let before = try await platform.call(.GET, account, token: token)
            #expect(before["primary_funding_id"] == nil && before["owner_business_info", "id"] as? String == P.business)

            let shared = try await platform.call(.POST, path + "USD")
            let allocation = try #require(shared["allocation_config_id"] as? String)
            #expect(shared["waba_id"] as? String == P.account)
            let read = try await platform.call(.GET, "/v25.0/\(allocation)?fields=receiving_credential")
            let after = try await platform.call(.GET, account, token: token)
            #expect(read["receiving_credential", "id"] as? String == after["primary_funding_id"] as? String)
            let list = try await platform.call(
                .GET,
                "/v25.0/\(P.line)/owning_credit_allocation_configs?receiving_business_id=\(P.business)"
            )
            #expect(list["data", "0", "id"] as? String == allocation)

            #expect(try await platform.call(.DELETE, "/v25.0/\(allocation)")["success"] as? Bool == true)
            #expect(try await platform.call(.GET, account, token: token)["primary_funding_id"] == nil)
            let revoked = try await platform.call(.GET, "/v25.0/\(allocation)?fields=request_status")
            #expect(revoked["request_status"] as? String == "DELETED")
            // A second post is a second allocation: that is what must be seen.
            _ = try await platform.call(.POST, path + "USD")
            #expect(platform.effects("share_credit_line") == 2)
        }
    }

    @Test func `Or by two calls, of which the first funds nothing yet`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            let attach = "/v25.0/\(P.line)/whatsapp_credit_attach?waba_id=\(P.account)&waba_currency=EUR"
            #expect(try await platform.call(.POST, attach, token: token).code == 100)
            let share = try await platform.call(
                .POST,
                "/v25.0/\(P.line)/whatsapp_credit_sharing?receiving_business_id=\(P.business)"
            )
            #expect(share["success"] as? Bool == true)
            #expect(platform.effects("share_credit_line") == 0)
            let attached = try await platform.call(.POST, attach, token: token)
            #expect(attached["allocation_config_id"] as? String == share["allocation_config_id"] as? String)
            #expect(attached["waba_id"] as? String == P.account)
            let lines = try await platform.call(
                .GET,
                "/v25.0/\(P.business)/extendedcredits?fields=id,legal_entity_name"
            )
            #expect(lines["data", "0", "id"] as? String == P.line)
        }
    }

    @Test func `A number is registered with its PIN, a string of six digits, and nothing else`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token(pin: "424242")
            let path = "/v25.0/\(P.number)/register"
            for bad in [
                #"{"messaging_product": "whatsapp", "pin": 424242}"#,
                #"{"messaging_product": "whatsapp", "pin": "4242"}"#,
                #"{"pin": "424242"}"#,
            ] {
                #expect(try await platform.call(.POST, path, token: token, json: bad).code == 100)
            }
            let status = "/v25.0/\(P.number)?fields=status,platform_type"
            #expect(try await platform.call(.GET, status, token: token)["status"] as? String == "PENDING")
            let wrong = try await platform.call(
                .POST,
                path,
                token: token,
                json: #"{"messaging_product": "whatsapp", "pin": "000000"}"#
            )
            #expect(wrong.code == 133_005 && Shape.error.problems(of: wrong.json).isEmpty)
            let right = try await platform.call(
                .POST,
                path,
                token: token,
                json: #"{"messaging_product": "whatsapp", "pin": "424242"}"#
            )
            #expect(Shape.success.problems(of: right.json).isEmpty)
            let connected = try await platform.call(.GET, status, token: token)
            #expect(connected["status"] as? String == "CONNECTED")
            #expect(connected["platform_type"] as? String == "CLOUD_API")
            let numbers = try await platform.call(.GET, "/v25.0/\(P.account)/phone_numbers?fields=id", token: token)
            #expect(Shape.phoneNumbers.problems(of: numbers.json).isEmpty)
        }
    }

    @Test func `The eleventh call to register or deregister blocks a number for 72 hours`() async throws {
        let now = Mutex(1_000_000.0)
        let clock = { @Sendable in now.withLock(\.self) }
        try await Platform.with(clock: clock) { platform in
            let token = try await platform.token()
            let body = #"{"messaging_product": "whatsapp", "pin": "111111"}"#
            for call in 1...10 {
                let path = "/v25.0/\(P.number)/" + (call.isMultiple(of: 2) ? "deregister" : "register")
                #expect(try await platform.call(.POST, path, token: token, json: body).status == 200)
            }
            let path = "/v25.0/\(P.number)/register"
            #expect(try await platform.call(.POST, path, token: token, json: body).code == 133_016)
            now.withLock { $0 += 71 * 3600 }
            #expect(try await platform.call(.POST, path, token: token, json: body).code == 133_016)
            now.withLock { $0 += 2 * 3600 }
            #expect(try await platform.call(.POST, path, token: token, json: body).status == 200)
        }
    }

    @Test func `A PIN is set anew, each synchronisation happens once, and a message needs a registered number`()
        async throws
    {
        try await Platform.with { platform in
            let token = try await platform.token(pin: "424242")
            let text =
                #"{"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+16505551234", "type": "text", "text": {"body": "Hi"}}"#
            let messages = "/v25.0/\(P.number)/messages"
            #expect(try await platform.call(.POST, messages, token: token, json: text).code == 133_010)
            let pin = try await platform.call(.POST, "/v25.0/\(P.number)", token: token, json: #"{"pin": "123123"}"#)
            #expect(pin["success"] as? Bool == true)
            _ = try await platform.call(
                .POST,
                "/v25.0/\(P.number)/register",
                token: token,
                json: #"{"messaging_product": "whatsapp", "pin": "123123"}"#
            )
            let sent = try await platform.call(.POST, messages, token: token, json: text)
            #expect(Shape.message.problems(of: sent.json).isEmpty)
            #expect(sent["contacts", "0", "wa_id"] as? String == "16505551234")
            for type in ["smb_app_state_sync", "history"] {
                let path = "/v25.0/\(P.number)/smb_app_data"
                let body = #"{"messaging_product": "whatsapp", "sync_type": "\#(type)"}"#
                #expect(try await platform.call(.POST, path, token: token, json: body)["request_id"] is String)
                #expect(try await platform.call(.POST, path, token: token, json: body).code == 2_593_107)
            }
            #expect(platform.effects("send_test_message") == 1 && platform.effects("sync_app_data") == 2)
        }
    }

    @Test func `A token sees its own account alone, and what does not exist looks the same`() async throws {
        try await Platform.with { platform in
            let token = try await platform.token()
            _ = try await platform.exchange("777.888.999.other")
            for path in ["/v25.0/777?fields=id", "/v25.0/888?fields=status", "/v25.0/31337"] {
                let hidden = try await platform.call(.GET, path, token: token)
                #expect(hidden.code == 100 && hidden["error", "error_subcode"] as? Int == 33)
            }
            let nobody = try await platform.call(.GET, "/v25.0/\(P.account)?fields=id", token: "nobody")
            #expect(nobody.code == 190 && nobody.status == 401)
        }
    }

    @Test func `Every answer says how much of the limit is used, and a throttle for how long to wait`() async throws {
        try await Platform.with(faults: #"{"phone_numbers": [null, "code:80007", "usage:85", "usage:91:7"]}"#) {
            platform in
            let token = try await platform.token()
            let path = "/v25.0/\(P.account)/phone_numbers"
            func entry(_ answer: Platform.Answer, key: String) throws -> [String: Any] {
                let text = try #require(answer.headers["x-business-use-case-usage"])
                let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
                #expect(Shape.usageEntries.problems(of: object[key]).isEmpty)
                return try #require((object[key] as? [[String: Any]])?.first)
            }
            let calm = try await platform.call(.GET, path, token: token)
            #expect(try entry(calm, key: P.account)["estimated_time_to_regain_access"] as? Int == 0)
            let throttled = try await platform.call(.GET, path, token: token)
            #expect(throttled.code == 80_007)
            #expect(try entry(throttled, key: P.account)["estimated_time_to_regain_access"] as? Int == 5)
            let near = try await platform.call(.GET, path, token: token)
            #expect(near.status == 200)
            #expect(try entry(near, key: "0")["call_count"] as? Int == 85)
            let over = try await platform.call(.GET, path, token: token)
            #expect(try entry(over, key: "0")["estimated_time_to_regain_access"] as? Int == 7)
            for _ in 1...20 { _ = try await platform.call(.GET, path, token: token) }
            #expect(
                try entry(try await platform.call(.GET, path, token: token), key: P.account)["call_count"] as? Int ?? 0
                    >= 10
            )
        }
    }
}
