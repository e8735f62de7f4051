/// From a request as data to an HTTP message: URL, headers, body, token and proof.
import Crypto
import Foundation
import NIOCore
import NIOHTTP1
package import Onboarding

package struct HTTPMessage: Sendable {
    var url: String
    var method: HTTPMethod
    var headers = HTTPHeaders()
    /// nil for a request without one.
    var body: ByteBuffer?

    static func make(
        _ request: GraphRequest,
        credentials: Credentials,
        settings: GraphSettings
    ) throws(UnsendableRequest) -> HTTPMessage {
        guard isSafe(request.path) else { throw UnsendableRequest(reason: "an id in the path is not 1 to 32 digits") }
        let token = try token(request.token, credentials)
        var query = request.query
        var proof: [GraphRequest.Field] = []
        // A token is recovered with a proof or not at all, whatever the app's settings are.
        if settings.sendsAppSecretProof || request.endpoint == .recoverToken, let token, request.token != .app {
            proof = [.init("appsecret_proof", appSecretProof(of: token, key: credentials.appSecret))]
        }
        if case .form = request.body {} else { query += proof }
        var url = "\(settings.baseURL)/\(settings.version)/\(request.path)"
        if !query.isEmpty { url += "?" + form(query) }
        var message = HTTPMessage(url: url, method: HTTPMethod(rawValue: request.method.rawValue))
        message.headers.add(name: "User-Agent", value: "embark/\(Version.current)")
        message.headers.add(name: "Accept", value: "application/json")
        if let token { message.headers.add(name: "Authorization", value: "Bearer \(token.revealed)") }
        switch request.body {
        case .empty:
            if request.method == .post { message.body = ByteBuffer() }
        case .json(let fields):
            message.headers.add(name: "Content-Type", value: "application/json")
            message.body = ByteBuffer(string: json(fields))
        case .form(let fields):
            message.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            message.body = ByteBuffer(string: form(proof + fields))
        }
        return message
    }

    /// Words of the API and ids. A row that was written past the SQL interface must not send a token elsewhere.
    private static func isSafe(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            part.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
                ? (1...32).contains(part.count)
                : part.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "_") }
        }
    }

    private static func token(
        _ kind: GraphRequest.Token,
        _ credentials: Credentials
    ) throws(UnsendableRequest) -> Secret? {
        switch kind {
        case .none: return nil
        case .app: return Secret("\(credentials.appID)|\(credentials.appSecret.revealed)")
        case .business:
            guard let token = credentials.businessToken else {
                throw UnsendableRequest(reason: "the business token is not there")
            }
            return token
        case .system:
            guard let token = credentials.systemToken else {
                throw UnsendableRequest(reason: "EMBARK_SYSTEM_TOKEN is not set")
            }
            return token
        }
    }

    /// Lowercase hexadecimal HMAC-SHA256 of the token that the call carries, keyed by the app secret.
    static func appSecretProof(of token: Secret, key: Secret) -> Secret {
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(token.revealed.utf8),
            using: SymmetricKey(data: Array(key.revealed.utf8))
        )
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in Array(code) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return Secret(String(decoding: text, as: UTF8.self))
    }

    /// application/x-www-form-urlencoded with %20 for a blank, which is also right in a query.
    package static func form(_ fields: [GraphRequest.Field]) -> String {
        fields.map { percentEncoded($0.name) + "=" + percentEncoded(text(of: $0.value)) }.joined(separator: "&")
    }

    private static func text(of value: GraphRequest.Field.Value) -> String {
        switch value {
        case .text(let text): text
        case .secret(let secret): secret.revealed
        case .object(let fields): json(fields)
        }
    }

    /// Everything but RFC 3986's unreserved characters.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            default:
                result.append(UInt8(ascii: "%"))
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    package static func json(_ fields: [GraphRequest.Field]) -> String {
        "{"
            + fields.map { field in
                let value =
                    switch field.value {
                    case .text(let text): quoted(text)
                    case .secret(let secret): quoted(secret.revealed)
                    case .object(let fields): json(fields)
                    }
                return quoted(field.name) + ":" + value
            }
            .joined(separator: ",") + "}"
    }

    /// A JSON string (RFC 8259, section 7).
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
