import Onboarding
import OnboardingRuntime

/// Names and values reach Graph as they were given, in a query, a form and a JSON body, and nothing of them becomes syntax.
enum MessageProperties {
    static func check(_ bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let pairs = zip(lines, lines.dropFirst()).enumerated().filter { $0.offset % 2 == 0 }.map { $0.element }
        let fields = pairs.map { GraphRequest.Field(String($0.0), Secret(String($0.1))) }
        checkForm(fields, pairs)
        checkJSON(fields, pairs)
    }

    private static func checkForm(_ fields: [GraphRequest.Field], _ pairs: [(Substring, Substring)]) {
        let form = HTTPMessage.form(fields)
        let isPlain = form.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-._~%=&".utf8.contains(byte)
            }
        }
        require(isPlain, "a form has no character that means something elsewhere: \(form)")
        let parts = form.isEmpty ? [] : form.split(separator: "&", omittingEmptySubsequences: false)
        require(parts.count == pairs.count, "a form has as many fields as it was given")
        for (part, pair) in zip(parts, pairs) {
            let halves = part.split(separator: "=", omittingEmptySubsequences: false).map(decoded)
            require(
                halves == [Array(pair.0.utf8), Array(pair.1.utf8)],
                "a form is read as it was written: \(part)"
            )
        }
    }

    /// Foundation's own leaves a byte order mark out.
    private static func decoded(_ text: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), let decoded = UInt8(digits, radix: 16) {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }

    private static func checkJSON(_ fields: [GraphRequest.Field], _ pairs: [(Substring, Substring)]) {
        // Foundation's reader leaves out a byte order mark at the beginning of a text, and of its parts between escapes.
        guard !pairs.contains(where: { ($0.0 + $0.1).unicodeScalars.contains("\u{FEFF}") }) else { return }
        let expected = Dictionary(pairs.map { (String($0.0), String($0.1)) }, uniquingKeysWith: { first, _ in first })
        // Of a name that stands twice a reader may take either.
        guard expected.count == pairs.count else { return }
        let nested = HTTPMessage.json([GraphRequest.Field("inner", fields)])
        let read = AnswerParser.content(of: Array(nested.utf8), contentType: nil)
        require(
            read == .value(.object(["inner": .object(expected.mapValues { .string($0) })])),
            "a JSON body is read as it was written: \(nested)"
        )
    }
}
