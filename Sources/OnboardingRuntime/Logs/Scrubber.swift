/// The last line of defence: no text that came from elsewhere is stored or logged before it has been here.
enum Scrubber {
    /// Parameters that carry secrets, in small letters.
    private static let names = [
        "access_token", "client_secret", "code", "input_token", "appsecret_proof", "fb_exchange_token", "verify_token",
        "pin",
    ].map { Array($0.unicodeScalars) }
    private static let code = Array("code".unicodeScalars)

    /// What joins a name to its value, and what ends that value besides `endsValue`: as it stands in a query, the same
    /// percent-encoded once and twice, and the same in a JSON string that escapes it.
    private static let joints = [
        ("=", []), ("%3d", ["%26", "%23", "%22"]), ("%253d", ["%2526", "%2523", "%2522"]), ("\\u003d", ["\\"]),
    ].map { (sign: Array($0.0.unicodeScalars), ends: $0.1.map { Array($0.unicodeScalars) }) }

    /// The quotes of JSON and of what prints like it, percent-encoded, and escaped; backslashes in front are skipped before.
    private static let quotes = ["\"", "'", "%22", "u0022"].map { Array($0.unicodeScalars) }
    private static let colons = [":", "%3a"].map { Array($0.unicodeScalars) }
    private static let blanks = [" ", "\t", "\n", "%20"].map { Array($0.unicodeScalars) }
    private static let tokenBeginning = Array("EAA".unicodeScalars)

    /// Replaces tokens (`EAA…`) and the values of parameters that carry secrets: `code=…`, `code%3D…`, `"code": "…"`.
    static func scrub(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = String.UnicodeScalarView()
        var index = 0
        while index < scalars.count {
            if let value = value(in: scalars, ofNameAt: index) {
                result += scalars[index..<value.lowerBound]
                result += "[secret]".unicodeScalars
                index = value.upperBound
            } else if scalars[index...].starts(with: tokenBeginning) {
                let end = scalars[index...].firstIndex { !isToken($0) } ?? scalars.endIndex
                // Three letters alone are no token.
                let isSecret = end - index >= tokenBeginning.count + 8
                result += isSecret ? Array("[secret]".unicodeScalars) : Array(scalars[index..<end])
                index = end
            } else {
                result.append(scalars[index])
                index += 1
            }
        }
        return String(result)
    }

    /// Where the value stands whose parameter's name begins here; nil where none does.
    private static func value(in scalars: [Unicode.Scalar], ofNameAt index: Int) -> Range<Int>? {
        guard beginsWord(scalars, index), let name = names.first(where: { stands($0, in: scalars, at: index) }) else {
            return nil
        }
        let behind = index + name.count
        if let joint = joints.first(where: { stands($0.sign, in: scalars, at: behind) }) {
            let start = behind + joint.sign.count
            let end = (start..<scalars.count).first { place in
                endsValue(scalars[place]) || joint.ends.contains { stands($0, in: scalars, at: place) }
            }
            return start..<(end ?? scalars.count)
        }
        // "name": "value", the quotes escaped or encoded as they may be.
        guard let close = skip(quotes, in: scalars, at: behindBackslashes(scalars, behind)),
            let colon = skip(colons, in: scalars, at: behindBlanks(scalars, close))
        else { return nil }
        let start = behindBlanks(scalars, colon)
        let open = behindBackslashes(scalars, start)
        guard let quote = quotes.first(where: { stands($0, in: scalars, at: open) }) else {
            // An error's number stands behind "code", and is no secret.
            guard name != code else { return nil }
            return start..<(scalars[start...].firstIndex { endsValue($0) } ?? scalars.count)
        }
        // A quote inside the value has more backslashes in front of it: each level of quoting doubles them and adds one.
        let first = open + quote.count
        let level = open - start
        let end = (first..<scalars.count).first { place in
            guard stands(quote, in: scalars, at: place) else { return false }
            let backslashes = scalars[first..<place].reversed().prefix { $0 == "\\" }.count
            return backslashes >= level && (backslashes - level) % (2 * level + 2) == 0
        }
        return first..<(end.map { $0 - level } ?? scalars.count)
    }

    /// Whether these scalars stand there, in capital letters or small ones.
    private static func stands(_ pattern: [Unicode.Scalar], in scalars: [Unicode.Scalar], at index: Int) -> Bool {
        guard index + pattern.count <= scalars.count else { return false }
        return pattern.indices.allSatisfy { offset in
            let scalar = scalars[index + offset]
            return scalar == pattern[offset]
                || ("A"..."Z").contains(scalar) && scalar.value + 32 == pattern[offset].value
        }
    }

    private static func skip(_ patterns: [[Unicode.Scalar]], in scalars: [Unicode.Scalar], at index: Int) -> Int? {
        patterns.first { stands($0, in: scalars, at: index) }.map { index + $0.count }
    }

    private static func behindBackslashes(_ scalars: [Unicode.Scalar], _ index: Int) -> Int {
        index + scalars[min(index, scalars.count)...].prefix { $0 == "\\" }.count
    }

    private static func behindBlanks(_ scalars: [Unicode.Scalar], _ index: Int) -> Int {
        var index = index
        while let next = skip(blanks, in: scalars, at: index) { index = next }
        return index
    }

    /// `error_code` is another name than `code`; `%26code` and `\u0026code` are the same.
    private static func beginsWord(_ scalars: [Unicode.Scalar], _ index: Int) -> Bool {
        guard index > 0, isWord(scalars[index - 1]) else { return true }
        func follows(_ sign: Unicode.Scalar, digits: Int) -> Bool {
            let start = index - digits - 1
            return start >= 0 && scalars[start] == sign
                && scalars[(start + 1)..<index].allSatisfy { $0.properties.isASCIIHexDigit }
        }
        return follows("%", digits: 2) || follows("%", digits: 4)
            || follows("u", digits: 4) && index >= 6 && scalars[index - 6] == "\\"
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_": true
        default: false
        }
    }

    private static func isToken(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "-", ".", "|", "%": true
        default: isWord(scalar)
        }
    }

    /// A value may hold any sign but these.
    private static func endsValue(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "&", "#", "\"", "'", "<", ">", "(", ")", "[", "]", "{", "}", ",", ";": true
        default: scalar.properties.isWhitespace
        }
    }
}
