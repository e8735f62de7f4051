/// `subscribe_app`: our app hears the account's webhooks. It sets a state, so the same body may always be sent again.
enum SubscribeApp {
    /// With an override it is two calls: Graph refuses an override before the app is subscribed, and a call without a body
    /// removes one. So plain first, then the override, and both again on a retry.
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let wabaID = context.signup.wabaID else {
            return .finish(.missing("waba", hint: "the signup has no account id"))
        }
        for case .answer(_, let answer) in events {
            if let verdict = Self.verdict(on: answer) { return .finish(verdict) }
        }
        let path = "\(wabaID)/subscribed_apps"
        if events.isEmpty {
            return .call(GraphRequest(.subscribeApp, .post, path: path, token: .business))
        }
        guard events.count == 1, let uri = context.signup.overrideCallbackURI else { return .finish(.done(Facts())) }
        guard let verifyToken = context.credentials.verifyToken else {
            return .finish(.missing("verify_token", hint: "the webhook override has no verify token"))
        }
        return .call(
            GraphRequest(
                .subscribeApp,
                .post,
                path: path,
                body: .json([.init("override_callback_uri", uri), .init("verify_token", verifyToken)]),
                token: .business
            )
        )
    }

    /// nil when the call succeeded.
    private static func verdict(on answer: GraphAnswer) -> Verdict? {
        switch CallOutcome(answer) {
        case .value(let value): value["success"]?.bool == true ? nil : .retry(.malformed("success"))
        case .unknown(let problem), .notSent(let problem): .retry(problem)
        case .refused(let error, let status): Classify.verdict(error, status: status, token: .business)
        }
    }
}
