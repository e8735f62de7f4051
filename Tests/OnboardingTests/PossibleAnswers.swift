/// What may come of a call: one answer of each kind that a step could tell apart, good, bad and doubtful.
@testable import Onboarding

struct PossibleAnswer {
    let name: String
    let answer: GraphAnswer

    /// Every kind for each endpoint.
    static let all = Dictionary(uniqueKeysWithValues: Endpoint.allCases.map { ($0, values($0) + others) })

    /// The values, and one each of what ends a step for good, for now, and in doubt.
    static let few = Dictionary(
        uniqueKeysWithValues: Endpoint.allCases.map { ($0, values($0) + others.filter(isTypical)) }
    )

    private static func isTypical(_ one: PossibleAnswer) -> Bool {
        ["not sent", "silence", "400 4 refused", "400 190 refused", "400 999999 refused"].contains(one.name)
    }

    // MARK: Graph's own values

    private static let token: JSON = ["access_token": "EAAnew", "expires_in": 5_184_000]

    /// Answers without an error: what was asked for, and each way in which it is less.
    private static func values(_ endpoint: Endpoint) -> [PossibleAnswer] {
        var values: [(String, JSON)] = [("nothing", [:])]
        switch endpoint {
        case .exchangeCode, .recoverToken:
            values += [("a token", token), ("an empty token", ["access_token": ""])]
        case .debugToken:
            values += [
                ("the grant", grant()), ("an invalid grant", grant(isValid: false)),
                ("another app's grant", grant(appID: "42")), ("a grant of none", grant(wabaIDs: [])),
                ("a grant of two", grant(wabaIDs: ["1", "2"])),
            ]
        case .phoneNumbers:
            let page: JSON = ["next": "https://graph.facebook.com/next", "cursors": ["after": "cursor"]]
            values += [
                ("the number", ["data": [["id": .string(Fixture.phoneID)]]]), ("no number", ["data": []]),
                ("two numbers", ["data": [["id": "1"], ["id": "2"]]]),
                ("a page", ["data": [["id": "3"]], "paging": page]),
            ]
        case .subscribeApp, .assignSystemUser, .registerPhone, .deregisterPhone:
            values += [("success", ["success": true]), ("no success", ["success": false])]
        case .readSubscriptions:
            let app: JSON = ["whatsapp_business_api_data": ["id": .string(Fixture.installation.appID)]]
            values += [("our app", ["data": [app]]), ("no app", ["data": []])]
        case .readAssignedUsers:
            values += [("our user", ["data": [["id": "122198765432109"]]]), ("no user", ["data": []])]
        case .readAccount:
            let owner: JSON = ["id": .string(Fixture.businessID)]
            let id = JSON.string(Fixture.wabaID)
            values += [
                ("not funded", ["id": id, "owner_business_info": owner]),
                ("funded", ["id": id, "primary_funding_id": "777", "owner_business_info": owner]),
                ("funded, owner unknown", ["id": id, "primary_funding_id": "777"]),
                ("nobody's, not funded", ["owner_business_info": owner]),
                ("another's, not funded", ["id": "42", "owner_business_info": owner]),
            ]
        case .listAllocations:
            values += [
                ("no allocation", ["data": []]), ("an allocation", ["data": [["id": .string(Fixture.allocationID)]]]),
                (
                    "two allocations",
                    ["data": [["id": "58"], ["id": "59"], ["id": "60", "request_status": "DELETED"]]]
                ),
                ("a bare allocation", ["id": "58"]),
            ]
        case .readAllocation:
            values += ["58", "59", Fixture.allocationID, "4"].flatMap { id -> [(String, JSON)] in
                [
                    ("\(id), ours", ["id": .string(id), "receiving_credential": ["id": "777"]]),
                    ("\(id), another's", ["id": .string(id), "receiving_credential": ["id": "888"]]),
                ]
            }
        case .shareCreditLine, .shareAllocation, .attachAllocation:
            values += [
                (
                    "shared",
                    ["allocation_config_id": .string(Fixture.allocationID), "waba_id": .string(Fixture.wabaID)]
                ),
                ("another's", ["allocation_config_id": .string(Fixture.allocationID), "waba_id": "42"]),
                ("success alone", ["success": true]),
            ]
        case .readPhone:
            let id = JSON.string(Fixture.phoneID)
            values += [
                ("connected", ["id": id, "status": "CONNECTED", "platform_type": "CLOUD_API"]),
                ("connected elsewhere", ["id": id, "status": "CONNECTED", "platform_type": "ON_PREMISE"]),
                ("pending", ["id": id, "status": "PENDING", "platform_type": "NOT_APPLICABLE"]),
                ("nobody's, pending", ["status": "PENDING", "platform_type": "NOT_APPLICABLE"]),
                ("another's, pending", ["id": "42", "status": "PENDING", "platform_type": "NOT_APPLICABLE"]),
            ]
        case .syncAppData:
            values += [("a request", ["request_id": "1"])]
        case .sendTestMessage:
            values += [("a message", ["messages": [["id": "wamid.1"]], "contacts": [["wa_id": "16505551234"]]])]
        }
        return values.map { PossibleAnswer(name: $0.0, answer: answer(200, .value($0.1))) }
    }

    private static func grant(
        isValid: Bool = true,
        appID: String = Fixture.installation.appID,
        wabaIDs: [JSON] = [.string(Fixture.wabaID)]
    ) -> JSON {
        let scope: JSON = ["scope": "whatsapp_business_management", "target_ids": .array(wabaIDs)]
        return [
            "data": [
                "is_valid": .bool(isValid), "app_id": .string(appID), "expires_at": 0, "granular_scopes": [scope],
            ]
        ]
    }

    // MARK: All else

    private static func answer(_ status: Int, _ content: GraphResponse.Content) -> GraphAnswer {
        .answered(GraphResponse(status: status, content: content))
    }

    private static func error(
        _ code: Int,
        _ subcode: Int? = nil,
        _ status: Int = 400,
        message: String = "refused",
        isTransient: Bool = false
    ) -> PossibleAnswer {
        let error = GraphError(code: code, subcode: subcode, message: message, isTransient: isTransient)
        return PossibleAnswer(name: "\(status) \(error.name) \(message)", answer: answer(status, .error(error)))
    }

    /// A code of each row that leads to something of its own, one that nobody knows, and what is no answer of Graph's.
    private static let others =
        [
            PossibleAnswer(name: "not sent", answer: .notSent(reason: "connection refused")),
            PossibleAnswer(name: "silence", answer: .effectUnknown(reason: "time-out")),
            PossibleAnswer(name: "a page", answer: answer(502, .unreadable("text/html, 312 bytes"))),
            PossibleAnswer(name: "a value with 500", answer: answer(500, .value(["success": true]))),
            error(1), error(1, message: "Error validating client secret."), error(2, nil, 503),
            error(131_000, nil, 500), error(999_999), error(999_999, nil, 500), error(999_999, isTransient: true),
            error(100, message: "Before override, subscribe"), error(100, message: "Invalid appsecret_proof"),
        ]
        + [
            4, 10, 17, 33, 100, 101, 131_042, 131_045, 131_056, 190, 200, 2200, 2_593_107, 452, 506, 613, 80_008,
            130_429,
            131_031, 133_000, 133_004, 133_005, 133_006, 133_008, 133_010, 133_015, 133_016, 134_011, 2_388_001,
        ].map { error($0) } + [(100, 33), (100, 36_007), (100, 36_008), (190, 463)].map { error($0.0, $0.1) }
}
