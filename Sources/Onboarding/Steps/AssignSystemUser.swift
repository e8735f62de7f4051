/// `assign_system_user`: our system user gets access to the account. It sets a state and may be repeated.
enum AssignSystemUser {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard case .answer(_, let answer)? = events.last else { return begin(context) }
        switch CallOutcome(answer) {
        case .value(let value):
            return .finish(value["success"]?.bool == true ? .done(Facts()) : .retry(.malformed("success")))
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            return .finish(Classify.verdict(error, status: status, token: .system))
        }
    }

    private static func begin(_ context: StepContext) -> StepMove {
        guard let wabaID = context.signup.wabaID else {
            return .finish(.missing("waba", hint: "the signup has no account id"))
        }
        guard let systemUserID = context.installation.systemUserID else {
            return .finish(.missing("system_user", hint: "embark configure --system-user-id names none"))
        }
        return .call(
            GraphRequest(
                .assignSystemUser,
                .post,
                path: "\(wabaID)/assigned_users",
                query: [.init("user", systemUserID), .init("tasks", "['MANAGE']")],
                token: .system
            )
        )
    }
}
