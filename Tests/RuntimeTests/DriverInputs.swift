/// What upstream may get wrong, and where PostgreSQL shows values by itself: the tables of `ServerLogTests`.
import Support
import Testing

/// One rule about the input, and a signup that breaks it. In a value, § stands for something secret.
struct InputRule: Sendable, CustomTestStringConvertible {
    let field: String
    /// Replaces fields of a good signup.
    let bad: [String: String?]
    /// What the other signups need where the installation is not the usual one.
    var good: [String: String?] = [:]
    var sqlState = "22023"
    /// Run before, by an administrator.
    var installation = ""
    /// How many signups that has made.
    var signupsBefore: Int64 = 0
    /// In the function the field does not exist, or PostgreSQL checks it first.
    var onlyInView = false
    /// psycopg does not bind this column as text.
    var onlyInText = false

    var testDescription: String {
        let values = bad.map { "\($0): \($1?.prefix(40) ?? "NULL")" }.sorted().joined(separator: ", ")
        return "\(field): \(values)"
    }

    func breaking(_ fields: [String: String?], _ secret: String) -> [String: String?] {
        fields.merging(good) { $1 }.merging(bad.mapValues { $0?.replacing("§", with: secret) }) { $1 }
    }

    func keeping(_ fields: [String: String?]) -> [String: String?] { fields.merging(good) { $1 } }

    private static func rule(_ field: String, _ value: String?, _ more: [String: String?] = [:]) -> InputRule {
        InputRule(field: field, bad: more.merging([field: value]) { $1 })
    }

    private static func override(_ uri: String, _ token: String) -> String {
        #"{"override_callback_uri":\#(uri),"verify_token":\#(token)}"#
    }

    private static let noVerification = "UPDATE embark.installation SET verify_grant = false"
    private static let uri = #""https://example.com""#

    static let all: [InputRule] =
        [
            rule("code", nil), rule("code", ""), rule("code", "§é"), rule("code", "§\u{1}"), rule("code", "§\n"),
            rule("code", "§" + String(repeating: "x", count: 2048)),
            rule("flow", "§"), rule("flow", "CLOUD_API"),
            rule("waba_id", "§"), rule("waba_id", ""), rule("waba_id", "1٢"), rule("waba_id", "1\n"),
            rule("phone_number_id", "§"), rule("business_id", "§"),
            rule("currency", nil), rule("currency", "§"), rule("currency", "usd"),
            rule("external_id", "§\t"), rule("external_id", ""),
            rule("external_id", "§" + String(repeating: "é", count: 255)),
            rule("pin", "§"), rule("pin", "12345"), rule("pin", "１２３４５６"),
            rule("test_recipient", "§"), rule("test_recipient", "16505551234"),
            rule("test_recipient", "+16505551234", ["flow": "only_waba"]),
            rule("test_message", ""), rule("test_message", "§" + String(repeating: "x", count: 4096)),
            rule("code_issued_at", "infinity"), rule("code_issued_at", "9999-01-01"),
            rule("redirect_uri", "https://§/ /"), rule("redirect_uri", "§" + String(repeating: "x", count: 2048)),
            rule("data_localization_region", "§"),
            rule("webhook_override", #""§""#), rule("webhook_override", #"["§"]"#),
            rule("webhook_override", #"{"§":1}"#), rule("webhook_override", "{}"),
            rule("webhook_override", override(#""http://§""#, #""§""#)),
            rule("webhook_override", override(#""https://é""#, #""§""#)),
            rule("webhook_override", override(uri, #"{"a":"§"}"#)), rule("webhook_override", override(uri, #""""#)),
            rule("webhook_override", override(uri, "\"§" + String(repeating: "x", count: 1024) + "\"")),
            rule("metadata", #""§""#), rule("metadata", "[]"),
            rule("metadata", #"{"a":"§\#(String(repeating: "x", count: 16_384))"}"#),
            rule("metadata", #"{"a":"§\#(String(repeating: "x", count: 1 << 20))"}"#),
        ]
        + onlyInView
        + [
            InputRule(field: "waba_id", bad: ["waba_id": nil], good: ["waba_id": "1"], installation: noVerification),
            InputRule(
                field: "phone_number_id",
                bad: ["test_recipient": "+16505551234"],
                good: ["waba_id": "1"],
                installation: noVerification
            ),
            InputRule(
                field: "external_id",
                bad: ["external_id": "used"],
                sqlState: "23505",
                installation: "SELECT embark.enqueue_signup('x', currency => 'USD', external_id => 'used')",
                signupsBefore: 1
            ),
        ]

    private static let onlyInView: [InputRule] = [
        ("code_issued_at", "§"), ("webhook_override", "{§"), ("metadata", "{§"), ("metadata", #"{"§":"\u0000"}"#),
        ("metadata", #"{"§":1e9999999}"#), ("metadata", "{\"§\":" + String(repeating: "[", count: 100_000)),
        ("id", "7"),
    ].map { field, value in
        InputRule(field: field, bad: [field: value], onlyInView: true, onlyInText: field == "id")
    }
}

/// A statement by which PostgreSQL itself shows a value, or one beside it that shows none.
struct PostgresLeak: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// § stands for the secret.
    let statements: [Driver.Step]
    let sqlState: String
    let isShown: Bool

    func steps(_ secret: String) -> [Driver.Step] {
        statements.map { step in
            var step = step
            step.sql = step.sql.replacing("§", with: secret)
            step.parameters = step.parameters.map { $0?.replacing("§", with: secret) }
            step.copy = step.copy?.map { row in row.map { $0?.replacing("§", with: secret) } }
            return step
        }
    }

    private static let copy = "COPY embark.signup_inbox (code, currency, external_id) FROM STDIN"
    private static let binary = copy + " WITH (FORMAT binary)"
    private static let impatient = Driver.Step("SET lock_timeout = '100ms'")
    private static let held: [String: String?] = ["code": "§", "currency": "USD", "external_id": "held"]

    static let all = [
        PostgresLeak(
            "a literal",
            .init("SELECT embark.enqueue_signup('§', waba_id => 'x')"),
            refusedAs: "22023",
            isShown: true
        ),
        PostgresLeak(
            "COPY, a column too many",
            .copy(copy, [["§\tUSD\tkey\tmore"]]),
            refusedAs: "22P04",
            isShown: true
        ),
        PostgresLeak("COPY, a column too few", .copy(copy, [["§\tUSD"]]), refusedAs: "22P04", isShown: true),
        PostgresLeak(
            "binary COPY, a column too many",
            .copy(binary, [["§", "USD", "key", "more"]]),
            refusedAs: "22P04",
            isShown: false
        ),
        PostgresLeak("a time", .enqueue(["code": "x", "code_issued_at": "§"]), refusedAs: "22007", isShown: true),
        PostgresLeak(
            "a time in the view",
            .insert(["code": "x", "code_issued_at": "§"]),
            refusedAs: "22023",
            isShown: false
        ),
        PostgresLeak("JSON", .enqueue(["code": "x", "webhook_override": "{§"]), refusedAs: "22P02", isShown: true),
        PostgresLeak(
            "JSON in the view",
            .insert(["code": "x", "webhook_override": "{§"]),
            refusedAs: "22023",
            isShown: false
        ),
        PostgresLeak(
            "COPY, timed out",
            impatient,
            .copy(copy, [["§", "USD", "held"]]),
            refusedAs: "55P03",
            isShown: true
        ),
        PostgresLeak(
            "binary COPY, timed out",
            impatient,
            .copy(binary, [["§", "USD", "held"]]),
            refusedAs: "55P03",
            isShown: false
        ),
        PostgresLeak("the function, timed out", impatient, .enqueue(held), refusedAs: "55P03", isShown: false),
        PostgresLeak("the view, timed out", impatient, .insert(held), refusedAs: "55P03", isShown: false),
    ]

    private init(_ description: String, _ statements: Driver.Step..., refusedAs sqlState: String, isShown: Bool) {
        testDescription = description
        self.statements = statements
        self.sqlState = sqlState
        self.isShown = isShown
    }
}
