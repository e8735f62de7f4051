/// From the bytes of an answer to what Graph said.
import Foundation
package import Onboarding

package enum AnswerParser {
    /// Deeper than anything that Graph answers; keeps a hostile body from exhausting the stack.
    package static let depthMax = 64
    /// Texts, numbers, lists and objects in all: more than anything that Graph answers. In memory each is some hundred bytes, and a
    /// mebibyte has room for half a million.
    package static let valuesMax = 20_000

    package static func content(of body: [UInt8], contentType: String?) -> GraphResponse.Content {
        let described = "\(contentType?.prefix(80) ?? "no content type"), \(body.count) bytes"
        guard let text = String(validating: body, as: UTF8.self) else {
            return .unreadable("not UTF-8: \(described)")
        }
        if let excess = excess(in: body) { return .unreadable("\(excess): \(described)") }
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed])
        } catch {
            return .unreadable(described)
        }
        guard let json = JSON(value) else { return .unreadable(described) }
        if let error = GraphError(body: json) { return .error(error.scrubbed) }
        return .value(json)
    }

    /// A header's JSON; nil for what is none, or nested too deeply.
    package static func json(in header: String) -> JSON? {
        guard case .value(let json) = content(of: Array(header.utf8), contentType: nil) else { return nil }
        return json
    }

    /// Of what there is too much, by the brackets and commas outside of strings; nil when all is within bounds.
    private static func excess(in body: [UInt8]) -> String? {
        var depth = 0
        var values = 1
        var isInString = false
        var isEscaped = false
        for byte in body {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                values += 1
                if depth > depthMax { return "nested too deeply" }
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: ","): values += 1
            default: break
            }
            if values > valuesMax { return "too many values" }
        }
        return nil
    }
}

extension JSON {
    /// From JSONSerialization's types. A Boolean is an NSNumber there, too, and told apart by its type. What Swift has types
    /// of its own for comes first: to ask of a dictionary whether it is an NSNull makes an NSDictionary of it.
    fileprivate init?(_ value: Any) {
        switch value {
        case let members as [String: Any]:
            var object: [String: JSON] = [:]
            for (name, member) in members {
                guard let json = JSON(member) else { return nil }
                object[name] = json
            }
            self = .object(object)
        case let text as String: self = .string(text)
        case let values as [Any]:
            var array: [JSON] = []
            for value in values {
                guard let json = JSON(value) else { return nil }
                array.append(json)
            }
            self = .array(array)
        case let number as NSNumber:
            if Self.isBoolean(number) {
                self = .bool(number.boolValue)
            } else {
                self = .number(number.stringValue)
            }
        case is NSNull: self = .null
        default: return nil
        }
    }

    private static func isBoolean(_ number: NSNumber) -> Bool {
        // Objective-C's type encoding of a Boolean; a number from JSON is q, d or Q.
        String(cString: number.objCType) == "c" || String(cString: number.objCType) == "B"
    }
}

extension GraphError {
    /// Graph's words quote what they were given at times.
    var scrubbed: GraphError {
        GraphError(
            code: code,
            subcode: subcode,
            message: StorableText.of(message),
            details: details.map { StorableText.of($0) },
            isTransient: isTransient,
            fbtraceID: fbtraceID.map { StorableText.id($0) }
        )
    }
}
