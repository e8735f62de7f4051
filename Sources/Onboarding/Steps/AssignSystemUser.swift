/// `assign_system_user`: our system user gets access to the account. It sets a state and may be repeated.
enum AssignSystemUser {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard case .answer(let endpoint, let answer)? = events.last else { return begin(context) }
        switch CallOutcome(answer) {
        case .value(let value) where endpoint == .readAssignedUsers:
            let ids = (value["data"]?.array ?? []).compactMap { $0["id"]?.id }
            let isThere = context.installation.systemUserID.map { ids.contains($0) } == true
            return .finish(
                isThere
                    ? .done(Facts()) : .fail(.notSo("the account does not list our system user"), waitingOn: .operator)
            )
        case .value(let value):
            return .finish(value["success"]?.bool == true ? .done(Facts()) : .retry(.malformed("success")))
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            if endpoint == .assignSystemUser, Classify.reaction(error, at: .assignSystemUser) == .alreadySo,
                let wabaID = context.signup.wabaID, let businessID = context.installation.businessID
            {
                return .call(
                    GraphRequest(
                        .readAssignedUsers,
                        .get,
                        path: "\(wabaID)/assigned_users",
                        query: [.init("business", businessID)],
                        token: .system
                    )
                )
            }
            return .finish(Classify.verdict(error, status: status, token: .system, at: .assignSystemUser, context))
        }
    }

    private static func begin(_ context: StepContext) -> StepMove {
        guard let wabaID = context.signup.wabaID else {
            return .finish(.missing("waba", hint: "the signup has no account id"))
        }
        guard let systemUserID = context.installation.systemUserID else {
            return .finish(.missing("system_user", hint: "embark configure --system-user-id names none"))
        }
        return .call(request(wabaID: wabaID, systemUserID: systemUserID))
    }

    static func request(wabaID: String, systemUserID: String) -> GraphRequest {
        GraphRequest(
            .assignSystemUser,
            .post,
            path: "\(wabaID)/assigned_users",
            query: [.init("user", systemUserID), .init("tasks", "['MANAGE']")],
            token: .system
        )
    }
}
