/// A request as Graph understands it: parameters from query, form or JSON alike, and the token from wherever it came.
import Foundation

struct GraphCall: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"
        case put = "PUT"
    }

    let method: Method
    /// Behind the version: `["102290129340398", "register"]`.
    let path: [String]
    /// JSON strings keep what tells them from numbers in `jsonTypes`.
    let parameters: [String: String]
    /// Parameters that came as JSON of another type than a string.
    let nonStrings: Set<String>
    let token: String?

    /// nil for a method that Graph does not have.
    init?(method: String, uri: String, authorization: String?, contentType: String?, body: String) {
        guard let method = Method(rawValue: method) else { return nil }
        self.method = method
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var path = parts[0].split(separator: "/").map(String.init)
        if let first = path.first, first.wholeMatch(of: /v[0-9]+\.[0-9]+/) != nil { path.removeFirst() }
        self.path = path
        var parameters = Self.form(parts.count > 1 ? parts[1] : "")
        var nonStrings: Set<String> = []
        if contentType?.hasPrefix("application/json") == true {
            for (name, value) in Self.members(body) {
                switch value {
                case let text as String: parameters[name] = text
                default:
                    nonStrings.insert(name)
                    parameters[name] = Self.jsonText(value)
                }
            }
        } else {
            parameters.merge(Self.form(body)) { $1 }
        }
        let bearer = authorization.flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
        token = bearer ?? parameters["access_token"]
        self.parameters = parameters
        self.nonStrings = nonStrings
    }

    private static func form(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.replacing("+", with: " ").removingPercentEncoding ?? ""
            }
            result[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
        return result
    }

    private static func members(_ text: String) -> [String: Any] {
        do {
            return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
        } catch {
            // Graph, too, answers as if nothing had been given.
            return [:]
        }
    }

    /// A nested value as the text that Graph's endpoints take for it.
    private static func jsonText(_ value: Any) -> String {
        if let object = value as? [String: Any], let body = object["body"] as? String { return body }
        return "\(value)"
    }
}

/// What Graph answers.
struct GraphReply: Sendable {
    var status: Int
    var body: String
    var headers: [(String, String)] = []
    /// The error that the body holds; nil where it holds none.
    var error: (code: Int, subcode: Int?, message: String)?

    static func ok(_ value: Value) -> GraphReply { GraphReply(status: 200, body: value.text) }

    /// Graph's error envelope (Meta, "WhatsApp error codes").
    static func error(
        _ code: Int,
        _ message: String,
        subcode: Int? = nil,
        status: Int = 400,
        type: String = "OAuthException",
        isTransient: Bool = false
    ) -> GraphReply {
        var members: [(String, Value)] = [("message", .string(message)), ("type", .string(type)), ("code", .int(code))]
        if let subcode { members.append(("error_subcode", .int(subcode))) }
        if isTransient { members.append(("is_transient", true)) }
        members.append(("fbtrace_id", "AEmbarkSim\(code)"))
        var reply = GraphReply(status: status, body: Value.object([("error", .object(members))]).text)
        reply.error = (code, subcode, message)
        return reply
    }
}

extension Value: ExpressibleByStringInterpolation {}
