/// A token whose answer was lost, or whose code died, is had without the code where the business is known.
import Testing

@testable import Onboarding

@Suite("Recovering a token") struct RecoveryTests {
    static let lost = StepEvent.silent(.exchangeCode)
    static let fetched = StepEvent.ok(.recoverToken, ["access_token": "EAArecovered"])
    static let inspected = StepEvent.ok(.debugToken, grant())

    @Test(
        "is tried after every way to lose a code",
        arguments: [
            lost, .error(.exchangeCode, 100, 36_007), .error(.exchangeCode, 100, 36_009),
            .html(.exchangeCode, status: 502),
            .error(.exchangeCode, 2, status: 503), .error(.exchangeCode, 1, message: "An unknown error occurred"),
            .ok(.exchangeCode, ["token_type": "bearer"]),
        ]
    )
    func begins(_ event: StepEvent) throws {
        #expect(Step.exchangeCode.nextMove(try Fixture.context(), after: [event]).summary == "call recover_token")
    }

    @Test("is tried for a code that may have been sent, that is gone, and that died unsent")
    func withoutExchange() throws {
        for change in [
            { $0.wasSent = true }, { $0.credentials.code = nil }, { $0.codeSecondsLeft = 0 },
        ] as [(inout StepContext) -> Void] {
            let context = try Fixture.context(change)
            guard case .call(let request) = Step.exchangeCode.nextMove(context) else {
                Issue.record("no call")
                continue
            }
            #expect(request.endpoint == .recoverToken)
            #expect(request.precondition == .codeErased, "nothing may send the code afterwards")
            #expect(Step.exchangeCode.nextMove(context, after: [Self.fetched]).summary == "call debug_token")
            #expect(Step.exchangeCode.nextMove(context, after: [Self.fetched, Self.inspected]).summary == "done")
        }
    }

    /// Meta, "Hosted Embedded Signup": POST /PORTFOLIO/system_user_access_tokens with appsecret_proof and fetch_only.
    @Test("asks as Meta documents it")
    func request() throws {
        guard case .call(let request) = Step.exchangeCode.nextMove(try Fixture.context(), after: [Self.lost]) else {
            Issue.record("no call")
            return
        }
        #expect(request.method == .post)
        #expect(request.path == "2729063490586005/system_user_access_tokens")
        #expect(request.query.isEmpty)
        #expect(request.body == .form([.init("fetch_only", "true")]))
        #expect(request.token == .system)
    }

    @Test("keeps the token, and how long it lives")
    func done() throws {
        let context = try Fixture.context { $0.unixSeconds = 1_790_000_000 }
        let move = Step.exchangeCode.nextMove(
            context,
            after: [Self.lost, Self.fetched, .ok(.debugToken, grant(expiresAt: 1_790_005_000))]
        )
        #expect(
            move == .finish(.done(Facts(businessToken: Secret("EAArecovered"), tokenLifetimeSeconds: 5_000)))
        )
    }

    @Test(
        "leaves the exchange's own failure when it is refused or finds another token",
        arguments: [
            [.error(.recoverToken, 200, status: 403)], [.error(.recoverToken, 452)], [.error(.recoverToken, 3962)],
            [.error(.recoverToken, 100)], [.error(.recoverToken, 100, 33)],
            [fetched, .ok(.debugToken, grant(valid: false))], [fetched, .ok(.debugToken, grant(app: "1"))],
            [fetched, .ok(.debugToken, grant(wabas: ["1"]))],
        ] as [[StepEvent]]
    )
    func refused(_ events: [StepEvent]) throws {
        let context = try Fixture.context()
        #expect(Step.exchangeCode.nextMove(context, after: [Self.lost] + events).summary == "fail code_spent, customer")
        let spent = StepEvent.error(.exchangeCode, 100, 36_009)
        #expect(Step.exchangeCode.nextMove(context, after: [spent] + events).summary == "fail 100/36009, customer")
        let dead = try Fixture.context { $0.codeSecondsLeft = -1 }
        #expect(Step.exchangeCode.nextMove(dead, after: events).summary == "fail code_expired, customer")
    }

    @Test(
        "is tried again after a fault that passes, for longer than a code lives",
        arguments: [
            [.silent(.recoverToken)], [.unsent(.recoverToken)], [.error(.recoverToken, 2, status: 503)],
            [.html(.recoverToken, status: 502)], [.ok(.recoverToken, [:])],
            [.error(.recoverToken, 424_242, status: 500)],
            [fetched, .silent(.debugToken)], [fetched, .ok(.debugToken, [:])],
        ] as [[StepEvent]]
    )
    func again(_ events: [StepEvent]) throws {
        let move = Step.exchangeCode.nextMove(try Fixture.context(), after: [Self.lost] + events)
        #expect(move.summary.hasPrefix("retry ") && move.summary.hasSuffix(" as recovery"), "\(move.summary)")
        guard case .finish(let verdict) = move else { return }
        let plan = try Fixture.signup().plan
        func transition(_ attempt: Int32) -> Transition {
            Transition(
                .init(step: .exchangeCode, attempt: attempt, secondsUntilGiveUp: -5),
                plan: plan,
                verdict: verdict,
                jitter: 1
            )
        }
        #expect(transition(1).next == .again(seconds: 1))
        #expect(transition(11).next == .again(seconds: 300))
        guard case .failed(let problem, waitingOn: .customer) = transition(12).next else {
            Issue.record("\(transition(12).next)")
            return
        }
        #expect(problem.code == "code_spent")
    }

    @Test("waits while our own token is refused, and for the end of a limit")
    func waits() throws {
        let context = try Fixture.context()
        for (event, expected) in [
            (StepEvent.error(.recoverToken, 190, status: 401), "throttle 190 for 300 s"),
            (.error(.recoverToken, 4), "throttle 4 for 900 s"),
        ] {
            #expect(Step.exchangeCode.nextMove(context, after: [Self.lost, event]).summary == expected)
        }
    }

    @Test("is out of the question without the business, or without a token of ours")
    func impossible() throws {
        for change in [{ $0.signup.businessID = nil }, { $0.credentials.systemToken = nil }]
            as [(inout StepContext) -> Void]
        {
            let move = Step.exchangeCode.nextMove(try Fixture.context(change), after: [Self.lost])
            #expect(move.summary == "fail code_spent, customer")
        }
    }
}
