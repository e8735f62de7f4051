/// Makes arguments for every function and view of the SQL interface: good ones, and hostile ones of each kind.
import FuzzTargets
import Support

struct SQLFuzz {
    /// Stands in every hostile text: whoever shows a value shows it.
    static let canary = "CANARY7f3a"

    /// Signups that there may be, and a little more.
    static let idsMax: Int64 = 400

    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }

    /// Which arguments are hostile: none, one, or each.
    mutating func hostility(of names: [String]) -> Set<String> {
        switch Int.random(in: 0..<4, using: &random) {
        case 0, 1: []
        case 2: [pick(names)]
        default: Set(names)
        }
    }

    /// A value for an argument of this name, as text that PostgreSQL takes for the argument's type; nil for NULL.
    mutating func value(_ name: String, isHostile: Bool) throws -> String? {
        if isHostile, chance(0.1) { return nil }
        switch name {
        case "signup_id", "after_signup", "cursor":
            return isHostile
                ? pick(["0", "-1", "\(Int64.max)", "\(Int64.min)"])
                : "\(Int64.random(in: 1...Self.idsMax, using: &random))"
        case "max", "rows_max", "expected_generation":
            return isHostile ? pick(["0", "-1", "\(Int32.max)", "\(Int32.min)"]) : pick(["1", "2", "1000"])
        case "effect_happened", "has_code": return pick(["true", "false"])
        case "code_issued_at", "until": return time(name, isHostile)
        case "webhook_override": return isHostile ? json() : override()
        case "metadata": return isHostile ? json() : #"{"customer":\#(Int.random(in: 1...9, using: &random))}"#
        default: return isHostile ? text() : try good(name)
        }
    }

    private mutating func good(_ name: String) throws -> String? {
        switch name {
        case "code", "new_code": "\(Self.canary)\(random.next())"
        case "waba_id", "phone_number_id", "business_id": "\(UInt32.random(in: 1...50, using: &random))"
        case "currency": pick(["USD", "EUR"])
        // A few, so that they meet.
        case "external_id": "customer-\(Int.random(in: 1...200, using: &random))"
        case "flow": pick(["cloud_api", "cloud_api", "coexistence"])
        case "pin", "new_pin": pick(["000123", nil])
        case "test_recipient": pick(["+16505551234", nil])
        case "test_message": "hello"
        case "redirect_uri": pick(["https://example.com/done", nil])
        case "data_localization_region": pick(["DE", nil])
        case "from_step": pick(["exchange_code", "verify_grant", "share_credit_line", "register_phone", nil])
        case "actor": pick(["anna", nil])
        case "reason": "asked for"
        case "scope": pick(["app", "system", "credit", "waba:\(Int.random(in: 1...9, using: &random))", "phone:1"])
        default: throw SupportError("the argument \(name) of the SQL interface has no generator: add it to SQLFuzz")
        }
    }

    private mutating func time(_ name: String, _ isHostile: Bool) -> String {
        if isHostile {
            return pick([
                "infinity", "-infinity", "epoch", "4713-01-01 BC", "294276-12-31 23:59:59.999999+00",
                "0001-01-01 00:00:00+14",
                "1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-28T23:59:60Z",
            ])
        }
        // The view takes ISO 8601 alone, and so does the function.
        return name == "until" ? "tomorrow" : "2026-01-01T00:00:00Z"
    }

    private mutating func override() -> String? {
        chance(0.5) ? nil : #"{"override_callback_uri":"https://example.com/hook","verify_token":"v"}"#
    }

    // MARK: Hostile values

    private static let pieces = [
        "'", "\"", "\\", "$$", "$1", "%s", "; DROP TABLE embark.signups; --", "/*", "{a,NULL}", "NULL", "(1,2)",
        "E'\\x00'", "0", "-0",
        "1e999", "NaN", "\u{1}", "\u{8}", "\t", "\n", "\r", "\u{1F}", "\u{7F}", "\u{85}", "\u{AD}", "\u{661}",
        "\u{FF11}", "é", "e\u{301}",
        "\u{200B}", "\u{202E}", "\u{2028}", "\u{2029}", "\u{FEFF}", "\u{FFFD}", "\u{FFFF}", "\u{E000}", "\u{1F600}",
        "\u{20000}",
        "\u{E0001}", "\u{10FFFF}", "app", "waba:", "phone:1\n", "https://", "exchange_code", "+1",
    ]

    /// The limits of the interface, one less and one more.
    private static let lengths = [
        0, 1, 2, 6, 31, 32, 33, 199, 200, 201, 254, 255, 256, 999, 1000, 1001, 1024, 1025, 2000, 2001, 2047, 2048, 2049,
        4096, 4097,
        16_384, 70_000,
    ]

    mutating func text() -> String {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return pick(["", " ", Self.canary])
        case 1:
            // All of one piece, of a length at a limit.
            let piece = pick(Self.pieces)
            let length = pick(Self.lengths)
            let whole = Self.canary + String(repeating: piece, count: max(0, length / piece.unicodeScalars.count))
            return String(String.UnicodeScalarView(whole.unicodeScalars.suffix(length)))
        case 2: return Self.canary + (0..<5).map { _ in pick(Self.pieces) }.joined()
        default: return pick(Self.pieces) + Self.canary
        }
    }

    /// JSON of every kind, nested up to 1000 deep, up to some tens of kilobytes.
    mutating func json() -> String {
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            return pick(["null", "true", "0", "-1e-300", "1e300", "[]", "{}", "\"\(Self.canary)\"", #""\ud83d\ude00""#])
        case 1:
            let depth = pick([1, 2, 63, 64, 65, 1000])
            return #"{"a":"# + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        case 2:
            return #"{"a":"\#(Self.canary)\#(String(repeating: "x", count: pick([16_360, 16_384, 16_400, 60_000])))"}"#
        case 3: return #"{"override_callback_uri":\#(json()),"verify_token":\#(json())}"#
        case 4: return #"{"override_callback_uri":"https://example.com","verify_token":\#(quoted(text()))}"#
        default: return "{\(quoted(text())):\(quoted(text()))}"
        }
    }

    func quoted(_ text: String) -> String {
        "\""
            + text.unicodeScalars.map { scalar in
                switch scalar {
                case "\"", "\\": "\\\(scalar)"
                case _ where scalar.value < 0x20:
                    "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
                default: String(scalar)
                }
            }.joined() + "\""
    }

    /// A line for `embark signup add`: the fields of a signup, some hostile, some of another type, some unknown.
    mutating func line(_ names: [String]) throws -> String {
        let hostile = hostility(of: names)
        var members: [String] = []
        for name in names {
            guard let value = try value(name, isHostile: hostile.contains(name)) else { continue }
            let isJSON = name == "webhook_override" || name == "metadata"
            let isNumber = Int(value).map(String.init) == value
            members.append(quoted(name) + ":" + (isJSON || isNumber && chance(0.1) ? value : quoted(value)))
        }
        if chance(0.1) { members.append(quoted(text()) + ":" + json()) }
        let line = chance(0.05) ? json() : "{" + members.joined(separator: ",") + "}"
        return chance(0.3) ? broken(line) : line
    }

    /// No JSON any more, in most cases: cut, or with something in it that does not belong there.
    private mutating func broken(_ line: String) -> String {
        let scalars = Array(line.unicodeScalars)
        let place = Int.random(in: 0...scalars.count, using: &random)
        let piece = pick([
            ",", "\"", "\\", "\\u0000", "\\ud800", "}", "{", "[", ":", "\u{FEFF}", "01", "-", "nul", "\t", "1e400", " ",
        ])
        var view = String.UnicodeScalarView(scalars.prefix(place))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: break
        case 1: return String(line.dropLast()) + ",}"
        case 2:
            view.append(contentsOf: piece.unicodeScalars)
            view.append(contentsOf: scalars[place...])
        default: view.append(contentsOf: piece.unicodeScalars)
        }
        return String(view)
    }
}
