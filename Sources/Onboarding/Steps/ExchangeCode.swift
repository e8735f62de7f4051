/// `exchange_code`: the popup's code for the customer's business token. Single use, 30 seconds, never resent.
enum ExchangeCode {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard case .answer(_, let answer)? = events.last else { return begin(context) }
        return .finish(verdict(on: CallOutcome(answer), context))
    }

    private static func begin(_ context: StepContext) -> StepMove {
        if context.wasSent { return .finish(lost("the worker was interrupted after it had sent the code")) }
        guard let code = context.credentials.code else {
            return .finish(.fail(Problem(code: "code_spent", message: "the code is gone"), waitingOn: .customer))
        }
        guard context.codeSecondsLeft > 0 else { return .finish(expired) }
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

    private static func verdict(on outcome: CallOutcome, _ context: StepContext) -> Verdict {
        switch outcome {
        case .value(let value):
            guard let token = value["access_token"]?.string, !token.isEmpty else {
                return lost("Graph answered without a token")
            }
            return .done(Facts(businessToken: Secret(token), tokenLifetimeSeconds: value["expires_in"]?.int))
        case .notSent(let problem):
            return context.codeSecondsLeft > 0 ? .retry(problem) : expired
        case .unknown(let problem):
            return lost(problem.message)
        case .refused(let error, let status):
            return refused(error, status: status)
        }
    }

    private static func refused(_ error: GraphError, status: Int) -> Verdict {
        let problem = Problem(error, status: status)
        switch (error.code, error.subcode) {
        // Expired, used, malformed: the customer goes through the popup again.
        case (100, 36_007), (100, 36_009): return .fail(problem, waitingOn: .customer)
        // redirect_uri: ours to mend.
        case (100, 36_008), (191, _), (101, _): return .fail(problem, waitingOn: .operator)
        case (100, _): return .fail(problem, waitingOn: .customer)
        // The one code 1 that says what is wrong. Every other one leaves open whether the code was spent.
        case (1, _) where status == 400 && error.message.hasPrefix("Error validating client secret"):
            return .fail(problem, waitingOn: .operator)
        // Told to wait before it was looked at.
        case (4, _), (17, _), (341, _), (613, _): return .retry(problem)
        default:
            if case .unknown(let doubt) = CallOutcome.refused(error, status: status).withDoubt {
                return lost(doubt.message)
            }
            return .fail(problem, waitingOn: .operator)
        }
    }

    private static let expired = Verdict.fail(
        Problem(code: "code_expired", message: "the code was older than 30 seconds before it could be exchanged"),
        waitingOn: .customer
    )

    private static func lost(_ what: String) -> Verdict {
        .fail(
            Problem(code: "code_spent", message: "the code may have been spent and its token was lost: \(what)"),
            waitingOn: .customer
        )
    }
}
