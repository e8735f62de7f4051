/// What Meta's OpenAPI file (facebook/openapi, business-messaging-api_v23.0.yaml) demands of answers: copied by hand, for the
/// simulator must not be checked against itself. The file has nothing on the exchange, debug_token, the credit line and
/// smb_app_data; where its error examples and Meta's error page differ, the page counts.
import Foundation

/// What a JSON value must be.
indirect enum Shape: Sendable {
    case text(pattern: String = ".*")
    case oneOf([String])
    case integer
    case boolean
    case list(of: Shape)
    /// Members that must be there, and members that may be.
    case object([String: Shape], optional: [String: Shape] = [:])

    /// Digits alone, as every id.
    static let id = Shape.text(pattern: "[0-9]+")

    /// What is wrong with the value, by its path; empty when nothing is.
    func problems(of value: Any?, at path: String = "$") -> [String] {
        switch (self, value) {
        case (.text(let pattern), let text as String):
            let isMatch = text.range(of: "^(?:\(pattern))$", options: .regularExpression) != nil
            return isMatch ? [] : ["\(path) is \(text)"]
        case (.oneOf(let values), let text as String): return values.contains(text) ? [] : ["\(path) is \(text)"]
        case (.boolean, let number as NSNumber):
            // A boolean is a number to Foundation, of a type of its own.
            return number.objCType.pointee == CChar(UInt8(ascii: "c")) ? [] : ["\(path) is no boolean"]
        case (.integer, let number as NSNumber):
            return number.doubleValue == number.doubleValue.rounded() ? [] : ["\(path) is no integer"]
        case (.list(let element), let list as [Any]):
            return list.enumerated().flatMap { element.problems(of: $1, at: "\(path)[\($0)]") }
        case (.object(let required, let optional), let object as [String: Any]):
            return required.flatMap { name, shape in
                object[name] == nil
                    ? ["\(path).\(name) is missing"] : shape.problems(of: object[name], at: "\(path).\(name)")
            }
                + optional.flatMap { name, shape in
                    object[name] == nil ? [] : shape.problems(of: object[name], at: "\(path).\(name)")
                }
        default: return ["\(path) is \(value.map { "\($0)" } ?? "missing")"]
        }
    }
}

extension Shape {
    /// Schema GraphAPIError.
    static let error = Shape.object([
        "error": .object(
            ["message": .text(), "type": .text(), "code": .integer],
            optional: ["error_subcode": .integer, "fbtrace_id": .text(pattern: ".+"), "is_transient": .boolean]
        )
    ])
    /// Schemas WhatsAppBusinessPhoneNumberRegistrationResponse and SubscriptionResponse.
    static let success = Shape.object(["success": .boolean])
    /// Schema SubscribedApp_1 in an edge; SubscribedApp, which SubscribedAppsResponse names, is a collision of the file.
    /// The members of whatsapp_business_api_data are from Meta's page on webhook overrides.
    static let subscribedApps = Shape.object([
        "data": .list(
            of: .object(
                ["whatsapp_business_api_data": .object(["id": .id, "name": .text(), "link": .text()])],
                optional: ["override_callback_uri": .text(pattern: "https://.+")]
            )
        )
    ])
    /// Schema AssignedUser in an edge.
    static let assignedUsers = Shape.object(["data": .list(of: .object(["id": .id, "name": .text()]))])
    /// Schemas WhatsAppBusinessAccountPhoneNumbersConnection, WhatsAppBusinessAccountPhoneNumber.
    static let phoneNumbers = Shape.object([
        "data": .list(
            of: .object(
                [
                    "id": .id, "display_phone_number": .text(),
                    "status": .oneOf(["CONNECTED", "DISCONNECTED", "UNVERIFIED", "PENDING", "FLAGGED", "RESTRICTED"]),
                ],
                optional: ["verified_name": .text()]
            )
        )
    ])
    /// Schema MessageResponsePayload, MessageStatus.
    static let message = Shape.object([
        "messaging_product": .oneOf(["whatsapp"]),
        "contacts": .list(of: .object(["input": .text(), "wa_id": .text(pattern: "[0-9]+")])),
        "messages": .list(
            of: .object(
                ["id": .text(pattern: "wamid\\..+")],
                optional: ["message_status": .oneOf(["accepted", "held_for_quality_assessment", "paused"])]
            )
        ),
    ])
    /// Header X-Business-Use-Case-Usage, one entry (Meta, "Graph API rate limiting").
    static let usageEntries = Shape.list(
        of: .object([
            "type": .oneOf(["whatsapp_business_management", "whatsapp"]), "call_count": .integer,
            "total_cputime": .integer, "total_time": .integer, "estimated_time_to_regain_access": .integer,
        ])
    )
}
