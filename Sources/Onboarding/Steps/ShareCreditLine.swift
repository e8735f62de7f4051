/// `share_credit_line`: money, and not repeatable. Meta documents no answer to a second call, so the account is read back
/// before each post and after each doubt, and there are never more than two posts.
///
/// A line counts as shared when one of our allocations exists and its receiving credential is what the account is funded
/// by (Meta, "Managing credit lines"): the existence of an allocation alone proves nothing about this account.
enum ShareCreditLine {
    static let postsMax = 2
    /// How long a share that Graph has done may stay invisible; not documented, so generous.
    static let readBackSeconds = 60
    /// Allocations of one customer that are looked at.
    static let allocationsMax = 10

    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let wabaID = context.signup.wabaID else {
            return .finish(.missing("waba", hint: "the signup has no account id"))
        }
        guard let creditLineID = context.installation.creditLineID else {
            return .finish(.missing("credit_line", hint: "embark configure --credit-line-id names none"))
        }
        var knowledge = Knowledge()
        for event in events {
            if let verdict = knowledge.learn(event, wabaID: wabaID) { return .finish(verdict) }
        }
        guard let funding = knowledge.funding else {
            return .call(
                GraphRequest(
                    .readAccount,
                    .get,
                    path: wabaID,
                    query: [.init("fields", "primary_funding_id,owner_business_info")],
                    token: .business
                )
            )
        }
        if let funding { return lookForAllocation(of: funding, knowledge, creditLineID, context) }
        return post(knowledge, wabaID: wabaID, creditLineID: creditLineID, context)
    }

    /// The account is funded: by one of our allocations, or by somebody else?
    private static func lookForAllocation(
        of funding: String,
        _ knowledge: Knowledge,
        _ creditLineID: String,
        _ context: StepContext
    ) -> StepMove {
        if let ours = knowledge.credentials.first(where: { $0.value == funding })?.key {
            return .finish(.done(Facts(allocationConfigID: ours)))
        }
        if let stored = context.signup.allocationConfigID, knowledge.credentials[stored] == nil {
            return readAllocation(stored)
        }
        guard let allocations = knowledge.allocations else {
            guard let owner = knowledge.owner else {
                return .finish(.retry(.malformed("owner_business_info"), atMost: 3))
            }
            return .call(
                GraphRequest(
                    .listAllocations,
                    .get,
                    path: "\(creditLineID)/owning_credit_allocation_configs",
                    query: [
                        .init("receiving_business_id", owner), .init("fields", "id,receiving_business,request_status"),
                    ],
                    token: .system
                )
            )
        }
        if let unread = allocations.prefix(allocationsMax).first(where: { knowledge.credentials[$0] == nil }) {
            return readAllocation(unread)
        }
        return .finish(
            .fail(
                Problem(
                    code: "funded_elsewhere",
                    message: "the account is funded by \(funding), which is none of this credit line's allocations"
                ),
                waitingOn: .operator
            )
        )
    }

    private static func readAllocation(_ id: String) -> StepMove {
        .call(
            GraphRequest(
                .readAllocation,
                .get,
                path: id,
                query: [.init("fields", "receiving_credential")],
                token: .system
            )
        )
    }

    /// The account has no payment method: the line is not shared, or not visibly yet.
    private static func post(
        _ knowledge: Knowledge,
        wabaID: String,
        creditLineID: String,
        _ context: StepContext
    ) -> StepMove {
        if let doubt = knowledge.doubt {
            // Read back at once and not there: once more when a share would be visible by all experience.
            return .finish(.retry(doubt, afterSeconds: readBackSeconds))
        }
        if let share = context.creditShare {
            guard share.signupID == context.signup.id else {
                return .finish(.wait(elsewhere(share.signupID), seconds: readBackSeconds))
            }
            if share.posts > 0, share.secondsSincePost < Double(readBackSeconds) {
                return .finish(.retry(.interrupted, afterSeconds: readBackSeconds))
            }
            if share.posts >= postsMax {
                return .finish(
                    .uncertain(
                        Problem(
                            code: "effect_uncertain",
                            message: "the credit line was posted \(share.posts) times and the account shows no share"
                        )
                    )
                )
            }
        }
        guard let currency = context.signup.currency else {
            return .finish(.missing("currency", hint: "the signup has no currency to share the line in"))
        }
        return .call(
            GraphRequest(
                .shareCreditLine,
                .post,
                path: "\(creditLineID)/whatsapp_credit_sharing_and_attach",
                query: [.init("waba_currency", currency), .init("waba_id", wabaID)],
                token: .system,
                precondition: .creditShare(wabaID: wabaID)
            )
        )
    }

    private static func elsewhere(_ signupID: Int64) -> Problem {
        Problem(
            code: "credit_share_elsewhere",
            message: "signup \(signupID) shares the credit line with the same account and is not through yet"
        )
    }

    /// What the answers so far have told.
    private struct Knowledge {
        /// Unknown, none, or the id of what funds the account.
        var funding: String??
        var owner: String?
        var allocations: [String]?
        /// The receiving credential of each allocation that was read, "" for none.
        var credentials: [String: String] = [:]
        /// A post may have had its effect.
        var doubt: Problem?

        /// Takes an answer in; returns a verdict when the step ends with it.
        mutating func learn(_ event: StepEvent, wabaID: String) -> Verdict? {
            guard case .answer(let endpoint, let answer) = event else {
                if case .refused(.creditShareElsewhere(let signupID)) = event {
                    return .wait(elsewhere(signupID), seconds: readBackSeconds)
                }
                return .uncertain(.interrupted)
            }
            if endpoint == .shareCreditLine { return learnPost(answer, wabaID: wabaID) }
            switch CallOutcome(answer) {
            case .value(let value): return learnReading(value, endpoint)
            case .unknown(let problem), .notSent(let problem): return .retry(problem)
            case .refused(let error, let status):
                let token: GraphRequest.Token = endpoint == .readAccount ? .business : .system
                return Classify.verdict(error, status: status, token: token)
            }
        }

        private mutating func learnPost(_ answer: GraphAnswer, wabaID: String) -> Verdict? {
            switch CallOutcome(answer).withDoubt {
            case .value(let value):
                if let attached = value["waba_id"]?.id, attached != wabaID {
                    return .fail(
                        Problem(
                            code: "other_waba",
                            message: "Graph says that it attached the line to account \(attached), not to \(wabaID)"
                        ),
                        waitingOn: .operator
                    )
                }
                if let id = value["allocation_config_id"]?.id { return .done(Facts(allocationConfigID: id)) }
                doubt = .malformed("allocation_config_id")
            case .unknown(let problem): doubt = problem
            case .notSent(let problem): return .retry(problem)
            case .refused(let error, let status):
                return Classify.verdict(error, status: status, token: .system)
            }
            // Read everything anew: what was known is from before the post.
            let kept = doubt
            self = Knowledge()
            doubt = kept
            return nil
        }

        private mutating func learnReading(_ value: JSON, _ endpoint: Endpoint) -> Verdict? {
            switch endpoint {
            case .readAccount:
                funding = .some(value["primary_funding_id"]?.id)
                owner = value["owner_business_info"]?["id"]?.id
            case .listAllocations:
                // The page shows a bare object where an edge normally answers with data.
                let rows = value["data"]?.array ?? (value["id"] == nil ? [] : [value])
                allocations = rows.filter { $0["request_status"]?.string != "DELETED" }.compactMap { $0["id"]?.id }
            case .readAllocation:
                guard let id = value["id"]?.id else { return .retry(.malformed("id")) }
                credentials[id] = value["receiving_credential"]?["id"]?.id ?? ""
            case .exchangeCode, .debugToken, .phoneNumbers, .subscribeApp, .assignSystemUser, .shareCreditLine,
                .readPhone, .registerPhone, .syncAppData, .sendTestMessage:
                return .uncertain(.interrupted)
            }
            return nil
        }
    }
}
