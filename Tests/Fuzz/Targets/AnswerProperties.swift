import Onboarding
import OnboardingRuntime

/// What is read of an answer is written and read again to the same, and no step traps on it or goes on for ever.
enum AnswerProperties {
    /// No step makes more calls to a Graph that always says the same: the ten pages of numbers, and the grant before them.
    private static let callsMax = 11

    static func check(_ bytes: [UInt8]) {
        let content = AnswerParser.content(of: bytes, contentType: "application/json")
        switch content {
        case .unreadable(let what):
            require(what.utf8.count <= 120 && what.contains("\(bytes.count) bytes"), "described by its length: \(what)")
        case .value(let value): checkValue(value)
        case .error(let error): checkError(error)
        }
        for status in [200, 400, 503] {
            checkSteps(.answered(GraphResponse(status: status, content: content)))
        }
    }

    private static func checkValue(_ value: JSON) {
        // A number may lose a fraction of nothing, once.
        guard case .value(let once) = AnswerParser.content(of: Array(text(of: value).utf8), contentType: nil) else {
            return require(false, "what was read can be written and read again: \(text(of: value))")
        }
        let twice = AnswerParser.content(of: Array(text(of: once).utf8), contentType: nil)
        require(twice == .value(once), "written and read again it is the same: \(text(of: once))")
    }

    /// As it is stored: the client's limits on texts hold, and nothing in it is refused by PostgreSQL.
    private static func checkError(_ error: GraphError) {
        for (text, most) in [(error.message, 1001), (error.details ?? "", 1001), (error.fbtraceID ?? "", 101)] {
            require(text.unicodeScalars.count <= most, "a text of Graph's is cut at \(most)")
            require(!text.unicodeScalars.contains("\0"), "a text of Graph's has no NUL")
        }
        require(error.name.utf8.count <= 41, "a code is short: \(error.name)")
    }

    // MARK: The steps

    private static let contexts: [StepContext] = {
        let installation = Installation(
            appID: "236484624622562",
            creditLineID: "1972385232742146",
            systemUserID: "122198765432109",
            businessID: "3"
        )
        let credentials = Credentials(
            appID: installation.appID,
            appSecret: Secret("secret"),
            systemToken: Secret("EAAsystem"),
            businessToken: Secret("EAAbusiness"),
            code: Secret("code"),
            pin: Secret("000123"),
            verifyToken: Secret("verify")
        )
        let plan: Plan
        do {
            plan = try Plan(stepNames: Step.allCases.map(\.rawValue))
        } catch {
            fatalError("all steps in order are a plan: \(error)")
        }
        return [CreditMethod.shareAndAttach, .shareThenAttach].map { method in
            var context = StepContext(
                signup: Signup(
                    id: 4711,
                    flow: .cloudAPI,
                    plan: plan,
                    wabaID: "102290129340398",
                    phoneNumberID: "106540352242922",
                    businessID: "2729063490586005",
                    currency: "USD",
                    overrideCallbackURI: "https://example.com",
                    testRecipient: "+16505551234",
                    testMessage: "hello"
                ),
                installation: installation,
                credentials: credentials
            )
            context.installation.creditMethod = method
            return context
        }
    }()

    private static func checkSteps(_ answer: GraphAnswer) {
        for context in contexts {
            for step in Step.allCases { checkStep(step, context, answer) }
        }
    }

    private static func checkStep(_ step: Step, _ context: StepContext, _ answer: GraphAnswer) {
        var events: [StepEvent] = []
        while true {
            switch step.nextMove(context, after: events) {
            case .finish(let verdict):
                return checkVerdict(verdict, step, context)
            case .call(let request):
                require(events.count < callsMax, "\(step.rawValue) ends when Graph always says the same")
                checkRequest(request)
                if case .answered(let response) = answer {
                    let throttle = Throttle.demanded(by: response, to: request, at: step, of: context.signup)
                    require(
                        throttle.map { Throttle.secondsRange.contains($0.seconds) } ?? true,
                        "a pause is within its limits"
                    )
                }
                events.append(.answer(to: request.endpoint, answer))
            }
        }
    }

    /// What came from Graph and goes back to it in a path is an id.
    private static func checkRequest(_ request: GraphRequest) {
        let isPlain = request.path.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "/") || byte == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
        require(isPlain, "a path holds ids and words: \(request.path)")
    }

    private static func checkVerdict(_ verdict: Verdict, _ step: Step, _ context: StepContext) {
        if case .done(let facts) = verdict {
            for id in [facts.wabaID, facts.phoneNumberID, facts.allocationConfigID].compactMap(\.self) {
                require(Installation.isGraphID(id), "what is kept as an id is one: \(id)")
            }
        }
        let job = Transition.Job(step: step, attempt: 1, secondsUntilGiveUp: 30, canRecover: true)
        let transition = Transition(job, plan: context.signup.plan, verdict: verdict, jitter: 1)
        if case .again(let seconds, let paused) = transition.next {
            require((0...259_230).contains(seconds) && (0...seconds).contains(paused), "a wait has its limits")
        }
    }

    // MARK: Writing JSON

    static func text(of value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let digits): digits
        case .string(let text): quoted(text)
        case .array(let values): "[" + values.map(text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { quoted($0.key) + ":" + text(of: $0.value) }.joined(separator: ",") + "}"
        }
    }

    /// Foundation's reader leaves out a byte order mark at the beginning of a text, but for one that is escaped.
    private static func quoted(_ text: String) -> String {
        HTTPMessage.quoted(text).unicodeScalars.map { $0 == "\u{FEFF}" ? "\\ufeff" : String($0) }.joined()
    }
}
