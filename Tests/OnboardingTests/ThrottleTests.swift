/// What an answer demands to be left alone, and for how long.
import Testing

@testable import Onboarding

@Suite("A throttle") struct ThrottleTests {
    static let business = GraphRequest(.subscribeApp, .post, path: "1/subscribed_apps", token: .business)
    static let system = GraphRequest(.assignSystemUser, .post, path: "1/assigned_users", token: .system)
    static let credit = GraphRequest(.listAllocations, .get, path: "1/owning_credit_allocation_configs", token: .system)
    static let register = GraphRequest(.registerPhone, .post, path: "1/register", token: .business)
    static let exchange = GraphRequest(.exchangeCode, .get, path: "oauth/access_token", token: .none)
    static let inspect = GraphRequest(.debugToken, .get, path: "debug_token", token: .app)
    static let recover = GraphRequest(.recoverToken, .post, path: "2/system_user_access_tokens", token: .system)

    private static let waba = "waba:" + Fixture.wabaID
    private static let phone = "phone:" + Fixture.phoneID

    struct Case: Sendable, CustomTestStringConvertible {
        let request: GraphRequest
        let code: Int
        var message = "refused"
        var details: String?
        var usage = Usage.none
        /// Scope and seconds; nil for no pause.
        let expected: String?
        var testDescription: String { "\(code) to \(request.endpoint.rawValue): \(expected ?? "none")" }
    }

    static let cases = [
        Case(request: business, code: 4, expected: "app 900"),
        Case(request: business, code: 32, expected: "app 900"),
        Case(request: business, code: 341, expected: "app 900"),
        Case(request: business, code: 17, expected: "\(waba) 900"),
        Case(request: system, code: 17, expected: "system 900"),
        Case(request: exchange, code: 17, expected: "app 900"),
        Case(request: business, code: 613, expected: "\(waba) 3600"),
        Case(request: credit, code: 613, expected: "credit 3600"),
        Case(request: exchange, code: 613, expected: "app 3600"),
        Case(request: business, code: 80_007, expected: "\(waba) 900"),
        Case(request: system, code: 80_008, expected: "\(waba) 900"),
        Case(request: register, code: 130_429, expected: "\(phone) 60"),
        Case(request: register, code: 133_008, expected: "\(phone) 3600"),
        Case(request: register, code: 133_008, details: "Try again after 15 minutes.", expected: "\(phone) 900"),
        Case(request: register, code: 133_009, expected: "\(phone) 300"),
        Case(request: register, code: 133_009, details: "wait 90 seconds", expected: "\(phone) 90"),
        Case(request: register, code: 133_016, expected: "\(phone) 259200"),
        Case(request: register, code: 133_005, expected: nil),
        Case(request: business, code: 131_016, expected: nil),
        Case(request: business, code: 131_056, expected: nil),
        // The time that Graph names goes before ours, within a second and 72 hours.
        Case(request: business, code: 80_007, usage: usage(minutes: "7"), expected: "\(waba) 420"),
        Case(request: business, code: 80_007, usage: usage(minutes: "\"7\""), expected: "\(waba) 420"),
        Case(request: business, code: 80_007, usage: usage(minutes: "0"), expected: "\(waba) 900"),
        Case(request: business, code: 80_007, usage: usage(minutes: "-1"), expected: "\(waba) 900"),
        Case(request: business, code: 80_007, usage: usage(minutes: "1000000000"), expected: "\(waba) 259200"),
        Case(request: business, code: 80_007, usage: usage(minutes: "1e999"), expected: "\(waba) 900"),
        Case(request: business, code: 80_007, usage: usage(minutes: "0.001"), expected: "\(waba) 1"),
        Case(request: business, code: 80_007, usage: usage(minutes: "\"soon\""), expected: "\(waba) 900"),
        Case(request: business, code: 4, usage: Usage(retryAfterSeconds: 30), expected: "app 30"),
        // A time that a header names counts beside any error.
        Case(request: business, code: 131_016, usage: usage(minutes: "7"), expected: "\(waba) 420"),
        Case(request: credit, code: 100, usage: usage(minutes: "7"), expected: "credit 420"),
        // Our own credentials.
        Case(request: system, code: 190, expected: "system 300 credentials"),
        Case(request: recover, code: 190, expected: "system 300 credentials"),
        Case(request: recover, code: 463, expected: "system 300 credentials"),
        Case(request: inspect, code: 190, expected: "app 300 credentials"),
        Case(request: business, code: 190, expected: nil),
        Case(request: exchange, code: 1, message: "Error validating client secret.", expected: "app 300 credentials"),
        Case(request: exchange, code: 1, message: "An unknown error occurred", expected: nil),
        Case(
            request: business,
            code: 100,
            message: "Invalid appsecret_proof provided in the API argument",
            expected: "app 300 credentials"
        ),
    ]

    /// One entry, under whatever key.
    private static func usage(minutes: String, key: String = "9", percent: Int = 100) -> Usage {
        let number: JSON =
            minutes.hasPrefix("\"") ? .string(String(minutes.dropFirst().dropLast())) : .number(minutes)
        return Usage(
            app: nil,
            business: .object([
                key: [
                    [
                        "type": "whatsapp", "call_count": .number("\(percent)"),
                        "estimated_time_to_regain_access": number,
                    ]
                ]
            ]),
            retryAfter: nil
        )
    }

    @Test("rests whose limit it is, for the time that Graph names or for ours", arguments: cases)
    func demanded(_ one: Case) throws {
        let error = GraphError(code: one.code, message: one.message, details: one.details)
        let response = GraphResponse(status: 400, content: .error(error), usage: one.usage)
        let throttle = Throttle.demanded(
            by: response,
            to: one.request,
            at: one.request.endpoint == .exchangeCode || one.request.endpoint == .recoverToken
                ? .exchangeCode : .registerPhone,
            of: try Fixture.signup()
        )
        let text = throttle.map {
            "\($0.scope.name) \(Int($0.seconds))" + ($0.isCredentials ? " credentials" : "")
        }
        #expect(text == one.expected)
    }

    @Test("comes with an answer that is well, when a header names a time")
    func header() throws {
        let signup = try Fixture.signup()
        func demanded(_ usage: Usage, _ request: GraphRequest = ThrottleTests.business) -> String? {
            let response = GraphResponse(status: 200, content: .value(["success": true]), usage: usage)
            return Throttle.demanded(by: response, to: request, at: .subscribeApp, of: signup).map {
                "\($0.scope.name) \(Int($0.seconds))"
            }
        }
        #expect(demanded(.none) == nil)
        #expect(demanded(Self.usage(minutes: "0")) == nil)
        #expect(demanded(Self.usage(minutes: "5")) == "\(Self.waba) 300", "a single entry is the call's own")
        #expect(demanded(Self.usage(minutes: "5"), Self.credit) == "credit 300")
        let several = Usage(
            app: nil,
            business: .object([
                "9": [["call_count": 100, "estimated_time_to_regain_access": 60]],
                Fixture.wabaID: [["call_count": 85, "estimated_time_to_regain_access": 2]],
            ]),
            retryAfter: nil
        )
        #expect(demanded(several) == "\(Self.waba) 120", "of several entries only the account's own counts")
        #expect(several.percents(for: Self.business, of: signup).map(\.percent) == [85])
    }

    @Test("reads headers of any form without a fault")
    func oddHeaders() {
        for business in [JSON.null, [], "text", ["9": "text"], ["9": ["text"]], ["9": [["call_count": "many"]]]] {
            #expect(Usage(app: business, business: business, retryAfter: "soon").retryAfterSeconds == nil)
        }
        let many = JSON.object(
            Dictionary(uniqueKeysWithValues: (0..<5_000).map { ("\($0)", JSON.array([["call_count": 1]])) })
        )
        #expect(Usage(app: nil, business: many, retryAfter: nil).entries.count == Usage.entriesMax)
        let app: JSON = ["call_count": 12, "total_cputime": 93, "total_time": 40]
        #expect(Usage(app: app, business: nil, retryAfter: "12").appPercent == 93)
        #expect(Usage(app: app, business: nil, retryAfter: "12").retryAfterSeconds == 12)
    }

    @Test(
        "lets half of the calls through from 80 % on and a tenth from 90",
        arguments: [(0, 1.0), (79, 1), (80, 0.5), (89, 0.5), (90, 0.1), (100, 0.1), (1000, 0.1)]
    )
    func shares(percent: Int, share: Double) {
        #expect(Usage.shareLetThrough(atPercent: percent) == share)
    }

    @Test("holds up exactly the calls of its scope")
    func scopes() throws {
        let signup = try Fixture.signup()
        func names(_ request: GraphRequest) -> [String] { request.scopes(signup).map(\.name) }
        #expect(names(Self.exchange) == ["app"])
        #expect(names(Self.inspect) == ["app"])
        #expect(names(Self.recover) == ["app", "system"])
        #expect(names(Self.business) == ["app", Self.waba])
        #expect(names(Self.system) == ["app", "system", Self.waba])
        #expect(names(Self.credit) == ["app", "system", "credit", Self.waba])
        #expect(names(Self.register) == ["app", Self.waba, Self.phone])
    }

    @Test("has names that are read as they are written, and no others")
    func names() {
        for scope in [Scope.app, .system, .credit, .waba("102290129340398"), .phone("1")] {
            #expect(Scope(name: scope.name) == scope)
        }
        for name in [
            "", "waba", "waba:", "waba:x", "app:1", "phone:1 ", "APP", "waba:" + String(repeating: "1", count: 33),
        ] {
            #expect(Scope(name: name) == nil)
        }
    }

    @Test(
        "finds the time in Graph's words",
        arguments: [
            ("Please wait 10 minutes before you try again", 600.0), ("try again in 3 hours.", 10_800),
            ("after 1 day", 86_400),
            ("in 45 s", 45), ("soon", nil), ("", nil), ("99999999999999 minutes", nil), ("5 attempts left", nil),
            ("5 attempts left, wait 2 min", 120),
        ]
    )
    func waitingTime(text: String, seconds: Double?) {
        #expect(WaitingTime.seconds(in: text) == seconds)
    }

    @Test("makes the job wait for its end and no execution count, and moves the horizon on by as much")
    func transition() throws {
        let problem = Problem(code: "80007", message: "limit")
        let plan = try Fixture.signup().plan
        for (seconds, jitter, delay) in [(900.0, 0.0, 900.0), (900, 1, 930), (10, 1, 15), (259_200, 1, 259_230)] {
            let transition = Transition(
                .init(step: .subscribeApp, attempt: 8, secondsUntilGiveUp: 1),
                plan: plan,
                verdict: .throttle(problem, seconds: seconds),
                jitter: jitter
            )
            #expect(transition.next == .again(seconds: delay, pausedSeconds: delay))
            #expect(transition.recorded == .throttle && !transition.counts)
        }
        let code = Transition(
            .init(step: .exchangeCode, attempt: 1, secondsUntilGiveUp: 20),
            plan: plan,
            verdict: .throttle(problem, seconds: 900),
            jitter: 0
        )
        #expect(code.next == .again(seconds: 900, pausedSeconds: 0), "a code dies when it dies")
    }
}
