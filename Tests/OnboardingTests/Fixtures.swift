public import Onboarding

/// A solution partner and a customer, with the ids of Meta's published examples.
enum Fixture {
    static let wabaID = "102290129340398"
    static let phoneID = "106540352242922"
    static let businessID = "2729063490586005"
    static let allocationID = "58501441721238"

    static let installation = Installation(
        appID: "236484624622562",
        creditLineID: "1972385232742146",
        systemUserID: "122198765432109"
    )

    static let credentials = Credentials(
        appID: "236484624622562",
        appSecret: Secret("614fc2afde15eee07a26b2fe3eaee9b9"),
        systemToken: Secret("EAAsystem"),
        businessToken: Secret("EAAbusiness"),
        code: Secret("AQBhlXsctMxJYbwbrpybxlo9tLPGy"),
        pin: Secret("000123"),
        verifyToken: Secret("verify-me")
    )

    static func signup(_ change: (inout Signup) -> Void = { _ in }) throws -> Signup {
        var signup = Signup(
            id: 4711,
            flow: .cloudAPI,
            plan: try Plan(
                stepNames: [
                    "exchange_code", "verify_grant", "subscribe_app", "assign_system_user", "share_credit_line",
                    "register_phone", "send_test_message",
                ]
            ),
            wabaID: wabaID,
            phoneNumberID: phoneID,
            businessID: businessID,
            currency: "USD",
            testRecipient: "+16505551234",
            testMessage: "Message received, loud and clear!"
        )
        change(&signup)
        return signup
    }

    static func context(
        _ change: (inout StepContext) -> Void = { _ in }
    ) throws -> StepContext {
        var context = StepContext(signup: try signup(), installation: installation, credentials: credentials)
        change(&context)
        return context
    }
}

extension StepEvent {
    static func ok(_ endpoint: Endpoint, _ value: JSON) -> StepEvent {
        .answer(to: endpoint, .answered(GraphResponse(status: 200, content: .value(value))))
    }

    static func error(
        _ endpoint: Endpoint,
        _ code: Int,
        _ subcode: Int? = nil,
        status: Int = 400,
        message: String = "refused",
        transient: Bool = false
    ) -> StepEvent {
        let error = GraphError(code: code, subcode: subcode, message: message, isTransient: transient)
        return .answer(to: endpoint, .answered(GraphResponse(status: status, content: .error(error))))
    }

    static func html(_ endpoint: Endpoint, status: Int) -> StepEvent {
        .answer(to: endpoint, .answered(GraphResponse(status: status, content: .unreadable("text/html, 312 bytes"))))
    }

    static func silent(_ endpoint: Endpoint) -> StepEvent { .answer(to: endpoint, .effectUnknown(reason: "time-out")) }
    static func unsent(_ endpoint: Endpoint) -> StepEvent {
        .answer(to: endpoint, .notSent(reason: "connection refused"))
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(stringLiteral text: String) { self = .string(text) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .number("\(value)") }
    public init(arrayLiteral values: JSON...) { self = .array(values) }
    public init(dictionaryLiteral members: (String, JSON)...) {
        self = .object(Dictionary(members, uniquingKeysWith: { _, last in last }))
    }
}

/// A verdict in a word or two, so that tables of expectations can be read.
extension StepMove {
    var summary: String {
        switch self {
        case .call(let request): "call \(request.endpoint.rawValue)"
        case .finish(.done): "done"
        case .finish(.retry(let problem, let patience)): "retry \(problem.code)" + patience.summary
        case .finish(.throttle(let problem, let seconds)): "throttle \(problem.code) for \(Int(seconds)) s"
        case .finish(.wait(let problem, let seconds)): "wait \(problem.code) for \(seconds) s"
        case .finish(.fail(let problem, let party)): "fail \(problem.code), \(party.rawValue)"
        case .finish(.uncertain(let problem)): "uncertain \(problem.code)"
        }
    }
}

extension Patience {
    fileprivate var summary: String {
        if isRecovery { return " as recovery" }
        var text = atMost.map { " ≤\($0)" } ?? ""
        if !floorSeconds.isEmpty { text += " in " + floorSeconds.map { "\(Int($0))" }.joined(separator: ", ") + " s" }
        if let curve, curve.base >= 60 { text += " slowly" }
        return text
    }
}
