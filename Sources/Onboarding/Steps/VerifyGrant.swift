/// `verify_grant`: asks Graph what was granted. Ids from a browser are claims until then.
enum VerifyGrant {
    /// Numbers asked for in one call, and calls at most: an account may have very many numbers.
    static let pageSize = 100
    static let pagesMax = 10

    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let token = context.credentials.businessToken else { return .finish(.missingToken) }
        guard case .answer(_, let first)? = events.first else {
            return .call(.inspection(of: token))
        }
        switch readGrant(first, context) {
        case .failure(let verdict): return .finish(verdict.verdict)
        case .success(let grant): return numbers(of: grant.wabaID, grant.lifetime, context, Array(events.dropFirst()))
        }
    }

    /// The account that the signup means, and how long the token has to live; nil for one without an end.
    private struct Granted {
        let wabaID: String
        let lifetime: Int?
    }

    private static func readGrant(_ answer: GraphAnswer, _ context: StepContext) -> Result<Granted, Ended> {
        let value: JSON
        switch CallOutcome(answer) {
        case .value(let json): value = json
        case .unknown(let problem), .notSent(let problem): return .failure(Ended(.retry(problem)))
        case .refused(let error, let status):
            return .failure(Ended(Classify.verdict(error, status: status, token: .app, at: .verifyGrant, context)))
        }
        guard let grant = Grant(value) else { return .failure(Ended(.retry(.malformed("data")))) }
        guard grant.isValid else {
            return fail("token_invalid", "Graph says that the business token is not valid", .customer)
        }
        guard grant.appID == context.installation.appID else {
            return fail("other_app", "the token was issued to another app than the installation's", .operator)
        }
        let lifetime = grant.lifetimeSeconds(now: context.unixSeconds)
        let granted = grant.wabaIDs
        if let claimed = context.signup.wabaID {
            return granted.contains(claimed)
                ? .success(Granted(wabaID: claimed, lifetime: lifetime))
                : fail("waba_not_granted", "the customer granted access to other accounts than \(claimed)", .operator)
        }
        switch granted.count {
        case 0: return fail("waba_not_granted", "the customer granted access to no account", .customer)
        case 1: return .success(Granted(wabaID: granted[0], lifetime: lifetime))
        default:
            return fail(
                "several_wabas",
                "the customer granted access to \(granted.count) accounts and the signup names none",
                .operator
            )
        }
    }

    /// Looks for the signup's number among the account's, page by page, or for the only one.
    private static func numbers(
        of wabaID: String,
        _ lifetime: Int?,
        _ context: StepContext,
        _ events: [StepEvent]
    ) -> StepMove {
        let claimed = context.signup.phoneNumberID
        let needsNumber = claimed != nil || context.signup.flow == .cloudAPI || context.signup.flow == .coexistence
        guard needsNumber else { return .finish(.done(Facts(tokenLifetimeSeconds: lifetime, wabaID: wabaID))) }
        var found: [String] = []
        var cursor: String?
        for case .answer(_, let answer) in events {
            switch CallOutcome(answer) {
            case .value(let value):
                guard let data = value["data"]?.array else { return .finish(.retry(.malformed("data"))) }
                found += data.compactMap { $0["id"]?.id }
                // "after" stands in every answer; "next" only where there is another page.
                cursor = value["paging"]?["next"] == nil ? nil : value["paging"]?["cursors"]?["after"]?.string
            case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
            case .refused(let error, let status):
                return .finish(Classify.verdict(error, status: status, token: .business, at: .verifyGrant, context))
            }
        }
        if let claimed, found.contains(claimed) {
            return .finish(.done(Facts(tokenLifetimeSeconds: lifetime, wabaID: wabaID, phoneNumberID: claimed)))
        }
        if events.isEmpty || (cursor != nil && events.count < pagesMax) {
            var query: [GraphRequest.Field] = [.init("fields", "id"), .init("limit", "\(pageSize)")]
            if let cursor { query.append(.init("after", cursor)) }
            return .call(
                GraphRequest(.phoneNumbers, .get, path: "\(wabaID)/phone_numbers", query: query, token: .business)
            )
        }
        return .finish(choose(found, claimed, wabaID, lifetime))
    }

    private static func choose(_ found: [String], _ claimed: String?, _ wabaID: String, _ lifetime: Int?) -> Verdict {
        if let claimed {
            return Ended.failure(
                "phone_not_granted",
                "the number \(claimed) is not one of account \(wabaID)",
                .operator
            ).verdict
        }
        switch found.count {
        case 0: return Ended.failure("no_phone", "account \(wabaID) has no number", .operator).verdict
        case 1: return .done(Facts(tokenLifetimeSeconds: lifetime, wabaID: wabaID, phoneNumberID: found[0]))
        default:
            return Ended.failure(
                "several_phones",
                "account \(wabaID) has \(found.count) numbers and the signup names none",
                .operator
            ).verdict
        }
    }

    private static func fail(_ code: String, _ message: String, _ party: Party) -> Result<Granted, Ended> {
        .failure(.failure(code, message, party))
    }

    /// A verdict as the failure side of a `Result`.
    private struct Ended: Error {
        let verdict: Verdict
        init(_ verdict: Verdict) { self.verdict = verdict }

        static func failure(_ code: String, _ message: String, _ party: Party) -> Ended {
            Ended(.fail(Problem(code: code, message: message), waitingOn: party))
        }
    }
}

extension Verdict {
    /// A step that needs the business token and has none: a row that no version of Embark leaves behind.
    static let missingToken = Verdict.fail(
        Problem(code: "token_missing", message: "the business token is not there"),
        waitingOn: .customer
    )

    static func missing(_ what: String, hint: String) -> Verdict {
        .fail(Problem(code: "\(what)_missing", message: hint), waitingOn: .operator)
    }
}
