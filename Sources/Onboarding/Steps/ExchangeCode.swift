/// `exchange_code`: the popup's code for the customer's business token. Single use, 30 seconds, never resent.
///
/// A token whose answer was lost, or whose code died unsent, can be had without the code where the customer's business is
/// known (Meta, "Hosted Embedded Signup"). Before it is asked for that way the code is erased: from then on nothing can send
/// it again, whatever happens to this worker.
enum ExchangeCode {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let first = events.first else { return begin(context) }
        guard case .answer(.exchangeCode, let answer) = first else {
            return recover(afterLosing: ownFailure(context), context, events[...])
        }
        switch learn(CallOutcome(answer), context) {
        case .verdict(let verdict): return .finish(verdict)
        case .failure(let problem): return recover(afterLosing: problem, context, events.dropFirst())
        }
    }

    private static func begin(_ context: StepContext) -> StepMove {
        guard !context.wasSent, let code = context.credentials.code, context.codeSecondsLeft > 0 else {
            return recover(afterLosing: ownFailure(context), context, [])
        }
        // The documented form: a GET without Authorization. An absent redirect_uri is not an empty one: codes of the
        // JavaScript SDK are refused with either but none.
        var query: [GraphRequest.Field] = [
            .init("client_id", context.credentials.appID), .init("client_secret", context.credentials.appSecret),
            .init("code", code),
        ]
        if let redirectURI = context.signup.redirectURI { query.append(.init("redirect_uri", redirectURI)) }
        return .call(
            GraphRequest(
                .exchangeCode,
                .get,
                path: "oauth/access_token",
                query: query,
                token: .none,
                precondition: .sentMark
            )
        )
    }

    /// Why the code cannot be sent any more.
    private static func ownFailure(_ context: StepContext) -> Problem {
        if context.wasSent { return .codeLost("the worker was interrupted after it had sent the code") }
        return context.credentials.code == nil ? .codeGone : .codeExpired
    }

    // MARK: The exchange

    private enum Learnt {
        case verdict(Verdict)
        /// The code is dead, spent or may be; the exchange's own failure, if nothing better can be had.
        case failure(Problem)
    }

    private static func learn(_ outcome: CallOutcome, _ context: StepContext) -> Learnt {
        switch outcome {
        case .value(let value):
            guard let token = value["access_token"]?.string, !token.isEmpty else {
                return .failure(.codeLost("Graph answered without a token"))
            }
            let lifetime = Grant.lifetime(value["expires_in"]?.int)
            return .verdict(.done(Facts(businessToken: Secret(token), tokenLifetimeSeconds: lifetime)))
        case .notSent(let problem):
            return context.codeSecondsLeft > 0 ? .verdict(.retry(problem)) : .failure(.codeExpired)
        case .unknown(let problem):
            return .failure(.codeLost(problem.message))
        case .refused(let error, let status):
            return refused(error, status: status, context)
        }
    }

    private static func refused(_ error: GraphError, status: Int, _ context: StepContext) -> Learnt {
        let problem = Problem(error, status: status)
        // Refused before the code was looked at, and nothing that a recovery could be proved with.
        if error.refusesAppSecret(status: status) { return .verdict(.fail(problem, waitingOn: .operator)) }
        switch Classify.reaction(error, at: .exchangeCode) {
        case .recover: return .failure(problem)
        case .fail(let party): return .verdict(.fail(problem, waitingOn: party))
        // Told to wait before it was looked at.
        case .throttle:
            return .verdict(Classify.verdict(error, status: status, token: .none, at: .exchangeCode, context))
        case .retry, .token, .alreadySo, .done, .deregister, .register, .failPayer, nil:
            // Anything else leaves open whether the code was spent, unless it says that it is no fault in passing.
            if case .unknown(let doubt) = CallOutcome.refused(error, status: status).withDoubt(at: .exchangeCode) {
                return .failure(.codeLost(doubt.message))
            }
            return .verdict(.fail(problem, waitingOn: .operator))
        }
    }

    // MARK: Recovery

    private static func recover(
        afterLosing failure: Problem,
        _ context: StepContext,
        _ events: ArraySlice<StepEvent>
    ) -> StepMove {
        guard let businessID = context.signup.businessID, context.credentials.systemToken != nil else {
            return .finish(.fail(failure, waitingOn: .customer))
        }
        guard let fetched = events.first else {
            return .call(
                GraphRequest(
                    .recoverToken,
                    .post,
                    path: "\(businessID)/system_user_access_tokens",
                    body: .form([.init("fetch_only", "true")]),
                    token: .system,
                    precondition: .codeErased
                )
            )
        }
        let token: Secret
        switch value(of: fetched, token: .system, failure, context) {
        case .failure(let ended): return .finish(ended.verdict)
        case .success(let value):
            guard let text = value["access_token"]?.string, !text.isEmpty else {
                return .finish(.retry(.malformed("access_token"), .recovery))
            }
            token = Secret(text)
        }
        guard let inspected = events.dropFirst().first else {
            return .call(.inspection(of: token))
        }
        switch value(of: inspected, token: .app, failure, context) {
        case .failure(let ended): return .finish(ended.verdict)
        case .success(let value): return .finish(verified(value, token, failure, context))
        }
    }

    private struct Ended: Error { let verdict: Verdict }

    private static func value(
        of event: StepEvent,
        token: GraphRequest.Token,
        _ failure: Problem,
        _ context: StepContext
    ) -> Result<JSON, Ended> {
        guard case .answer(_, let answer) = event else { return .failure(Ended(verdict: .uncertain(.interrupted))) }
        switch CallOutcome(answer) {
        case .value(let value): return .success(value)
        case .unknown(let problem), .notSent(let problem):
            return .failure(Ended(verdict: .retry(problem, .recovery)))
        case .refused(let error, let status):
            switch Classify.verdict(error, status: status, token: token, at: .exchangeCode, context) {
            case .throttle(let problem, let seconds):
                return .failure(Ended(verdict: .throttle(problem, seconds: seconds)))
            // A business that Graph does not show us was never granted: to look again would only keep the customer waiting.
            case .retry(let problem, let patience) where patience != .propagation:
                return .failure(Ended(verdict: .retry(problem, .recovery)))
            case .done, .retry, .wait, .fail, .uncertain:
                return .failure(
                    Ended(
                        verdict: .fail(
                            failure.adding("and its token cannot be recovered: \(error.name) \(error.message)"),
                            waitingOn: .customer
                        )
                    )
                )
            }
        }
    }

    /// A token that was fetched by the business alone may be of another account of the same customer.
    private static func verified(_ value: JSON, _ token: Secret, _ failure: Problem, _ context: StepContext) -> Verdict
    {
        guard let grant = Grant(value) else { return .retry(.malformed("data"), .recovery) }
        guard grant.isValid, grant.appID == context.installation.appID else {
            return .fail(failure.adding("and the recovered token is not valid for this app"), waitingOn: .customer)
        }
        if let wabaID = context.signup.wabaID, !grant.wabaIDs.contains(wabaID) {
            return .fail(
                failure.adding("and the recovered token is for other accounts than \(wabaID)"),
                waitingOn: .customer
            )
        }
        return .done(
            Facts(businessToken: token, tokenLifetimeSeconds: grant.lifetimeSeconds(now: context.unixSeconds))
        )
    }
}

extension Problem {
    static let codeExpired = Problem(
        code: "code_expired",
        message: "the code was older than 30 seconds before it could be exchanged"
    )
    static let codeGone = Problem(code: "code_spent", message: "the code is gone, and with it its token")

    static func codeLost(_ what: String) -> Problem {
        Problem(code: "code_spent", message: "the code may have been spent and its token was lost: \(what)")
    }

    func adding(_ more: String) -> Problem {
        Problem(code: code, message: "\(message), \(more)", httpStatus: httpStatus, fbtraceID: fbtraceID)
    }
}
