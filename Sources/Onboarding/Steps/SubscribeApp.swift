/// `subscribe_app`: our app hears the account's webhooks. It sets a state, so the same body may always be sent again.
enum SubscribeApp {
    /// With an override it is two calls: Graph refuses an override before the app is subscribed, and a call without a body
    /// removes one. So plain first, then the override, and both again on a retry.
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let wabaID = context.signup.wabaID else {
            return .finish(.missing("waba", hint: "the signup has no account id"))
        }
        var posts = 0
        for case .answer(let endpoint, let answer) in events {
            if endpoint == .readSubscriptions { return .finish(verdict(onReading: answer, context)) }
            posts += 1
            if let move = move(on: answer, wabaID: wabaID, isLast: posts == events.count, context) { return move }
        }
        let path = "\(wabaID)/subscribed_apps"
        if posts == 0 {
            return .call(GraphRequest(.subscribeApp, .post, path: path, token: .business))
        }
        guard posts == 1, let uri = context.signup.overrideCallbackURI else { return .finish(.done(Facts())) }
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
    private static func move(on answer: GraphAnswer, wabaID: String, isLast: Bool, _ context: StepContext) -> StepMove?
    {
        switch CallOutcome(answer) {
        case .value(let value): return value["success"]?.bool == true ? nil : .finish(.retry(.malformed("success")))
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            if Classify.reaction(error, at: .subscribeApp) == .alreadySo {
                // Asked for before, says Meta: is our app among those that hear the account's webhooks?
                guard isLast else { return nil }
                return .call(
                    GraphRequest(.readSubscriptions, .get, path: "\(wabaID)/subscribed_apps", token: .business)
                )
            }
            if error.code == 100, error.message.contains("Before override") {
                // The plain subscription is not visible everywhere yet (seen by others, chatwoot#12488): both again, in order.
                return .finish(.retry(Problem(error, status: status), .propagation))
            }
            return .finish(Classify.verdict(error, status: status, token: .business, at: .subscribeApp, context))
        }
    }

    private static func verdict(onReading answer: GraphAnswer, _ context: StepContext) -> Verdict {
        switch CallOutcome(answer) {
        case .value(let value):
            let ids = (value["data"]?.array ?? []).compactMap { $0["whatsapp_business_api_data"]?["id"]?.id }
            return ids.contains(context.installation.appID)
                ? .done(Facts()) : .fail(.notSo("the account does not list our app"), waitingOn: .operator)
        case .unknown(let problem), .notSent(let problem): return .retry(problem)
        case .refused(let error, let status):
            return Classify.verdict(error, status: status, token: .business, at: .subscribeApp, context)
        }
    }
}

extension Problem {
    /// Meta says that it was done before, and reading it back says that it was not.
    static func notSo(_ what: String) -> Problem {
        Problem(code: "1752041", message: "Meta says that this was asked for before, but \(what)")
    }
}
