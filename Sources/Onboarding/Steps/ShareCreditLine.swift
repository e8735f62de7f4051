/// `share_credit_line`: money, and not repeatable. Meta documents no answer to a second call, so the account is read back
/// before each post and after each doubt, and there are never more than two posts.
///
/// A line counts as shared when one of our allocations exists and its receiving credential is what the account is funded
/// by (Meta, "Managing credit lines"): the existence of an allocation alone proves nothing about this account.
enum ShareCreditLine {
    /// Posts that may have left, of each kind: with two calls, the attachments count apart from the shares.
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
            if let verdict = knowledge.learn(event, wabaID: wabaID, context) { return .finish(verdict) }
        }
        if knowledge.lacksAccess, let systemUserID = context.installation.systemUserID {
            return .call(AssignSystemUser.request(wabaID: wabaID, systemUserID: systemUserID))
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
        switch context.installation.creditMethod {
        case .shareAndAttach:
            return post(knowledge, context, attaches: false) { currency in
                GraphRequest(
                    .shareCreditLine,
                    .post,
                    path: "\(creditLineID)/whatsapp_credit_sharing_and_attach",
                    query: [.init("waba_currency", currency), .init("waba_id", wabaID)],
                    token: .system,
                    precondition: .creditShare(wabaID: wabaID)
                )
            }
        case .shareThenAttach:
            return shareThenAttach(knowledge, wabaID: wabaID, creditLineID: creditLineID, context)
        }
    }

    // MARK: Reading back

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
        if let unread = knowledge.unreadAllocation(context) { return readAllocation(unread) }
        guard knowledge.allocations != nil else { return listAllocations(knowledge, creditLineID) }
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

    private static func listAllocations(_ knowledge: Knowledge, _ creditLineID: String) -> StepMove {
        guard let owner = knowledge.owner else {
            return .finish(.retry(.malformed("owner_business_info"), .atMost(3)))
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

    // MARK: Posting

    /// The account has no payment method: the line is not shared, or not visibly yet.
    private static func post(
        _ knowledge: Knowledge,
        _ context: StepContext,
        attaches: Bool,
        _ request: (_ currency: String) -> GraphRequest
    ) -> StepMove {
        if let doubt = knowledge.doubt {
            // Read back at once and not there: once more when a share would be visible by all experience.
            return .finish(.retry(doubt, .after(Double(readBackSeconds))))
        }
        if let share = context.creditShare {
            guard share.signupID == context.signup.id || share.posts + share.attachments == 0 else {
                // One that has ended brings no line any more: somebody has to say that there is none.
                let isOver = share.hasEnded && share.secondsSincePost >= Double(readBackSeconds)
                return .finish(
                    isOver
                        ? .fail(elsewhere(share), waitingOn: .operator)
                        : .wait(elsewhere(share.signupID), seconds: readBackSeconds)
                )
            }
            let posts = attaches ? share.attachments : share.posts
            if posts > 0, share.secondsSincePost < Double(readBackSeconds) {
                return .finish(.retry(.interrupted, .after(Double(readBackSeconds))))
            }
            if posts >= postsMax {
                return .finish(
                    .uncertain(
                        Problem(
                            code: "effect_uncertain",
                            message: "the credit line was posted \(posts) times and the account shows no share"
                        )
                    )
                )
            }
        }
        guard let currency = context.signup.currency else {
            return .finish(.missing("currency", hint: "the signup has no currency to share the line in"))
        }
        return .call(request(currency))
    }

    /// The method that Meta tests as the documented one's successor: an allocation for the customer's business, which funds
    /// nothing yet, and then its attachment to the account. An allocation that is there already is not made again.
    private static func shareThenAttach(
        _ knowledge: Knowledge,
        wabaID: String,
        creditLineID: String,
        _ context: StepContext
    ) -> StepMove {
        guard let allocations = knowledge.allocations else { return listAllocations(knowledge, creditLineID) }
        guard !allocations.isEmpty else {
            guard let owner = knowledge.owner else {
                return .finish(.retry(.malformed("owner_business_info"), .atMost(3)))
            }
            return post(knowledge, context, attaches: false) { _ in
                GraphRequest(
                    .shareAllocation,
                    .post,
                    path: "\(creditLineID)/whatsapp_credit_sharing",
                    query: [.init("receiving_business_id", owner)],
                    token: .system,
                    precondition: .creditShare(wabaID: wabaID)
                )
            }
        }
        var knowledge = knowledge
        // The allocation is seen, so its own call is beyond doubt.
        if knowledge.doubtAbout == .shareAllocation { knowledge.doubt = nil }
        return post(knowledge, context, attaches: true) { currency in
            GraphRequest(
                .attachAllocation,
                .post,
                path: "\(creditLineID)/whatsapp_credit_attach",
                query: [.init("waba_currency", currency), .init("waba_id", wabaID)],
                token: .business,
                precondition: .creditShare(wabaID: wabaID, attaches: true)
            )
        }
    }

    private static func elsewhere(_ signupID: Int64) -> Problem {
        Problem(
            code: "credit_share_elsewhere",
            message: "signup \(signupID) shares the credit line with the same account and is not through yet"
        )
    }

    private static func elsewhere(_ share: StepContext.CreditShare) -> Problem {
        Problem(
            code: "credit_share_elsewhere",
            message:
                "signup \(share.signupID) has shared the credit line with the same account and has ended, and the account"
                + " shows no share"
        )
    }

    // MARK: Knowledge

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
        var doubtAbout: Endpoint?
        /// Our system user may not share with this account, and has not been given access in this execution.
        var lacksAccess = false
        var wasGivenAccess = false

        /// The allocation that is to be read next: the one that is known, and then those that the line has listed.
        func unreadAllocation(_ context: StepContext) -> String? {
            if let stored = context.signup.allocationConfigID, credentials[stored] == nil { return stored }
            return allocations?.prefix(allocationsMax).first { credentials[$0] == nil }
        }

        /// Takes an answer in; returns a verdict when the step ends with it.
        mutating func learn(_ event: StepEvent, wabaID: String, _ context: StepContext) -> Verdict? {
            guard case .answer(let endpoint, let answer) = event else {
                if case .refused(.creditShareElsewhere(let signupID)) = event {
                    return .wait(elsewhere(signupID), seconds: readBackSeconds)
                }
                return .uncertain(.interrupted)
            }
            switch endpoint {
            case .shareCreditLine, .shareAllocation, .attachAllocation:
                return learnPost(answer, endpoint, wabaID: wabaID, context)
            case .exchangeCode, .recoverToken, .debugToken, .phoneNumbers, .subscribeApp, .readSubscriptions,
                .assignSystemUser, .readAssignedUsers, .readAccount, .listAllocations, .readAllocation, .readPhone,
                .registerPhone, .deregisterPhone, .syncAppData, .sendTestMessage:
                break
            }
            switch CallOutcome(answer) {
            case .value(let value): return learnReading(value, endpoint, wabaID: wabaID, context)
            case .unknown(let problem), .notSent(let problem): return .retry(problem)
            case .refused(let error, let status):
                let token: GraphRequest.Token = endpoint == .readAccount ? .business : .system
                return Classify.verdict(error, status: status, token: token, at: .shareCreditLine, context)
            }
        }

        private mutating func learnPost(
            _ answer: GraphAnswer,
            _ endpoint: Endpoint,
            wabaID: String,
            _ context: StepContext
        ) -> Verdict? {
            let isAttach = endpoint == .attachAllocation
            switch CallOutcome(answer).withDoubt(at: .shareCreditLine) {
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
                if let id = value["allocation_config_id"]?.id {
                    guard endpoint == .shareAllocation else { return .done(Facts(allocationConfigID: id)) }
                    allocations = [id]
                    return nil
                }
                doubt = .malformed("allocation_config_id")
            case .unknown(let problem): doubt = problem
            case .notSent(let problem): return .retry(problem)
            case .refused(let error, let status):
                switch Classify.reaction(error, at: .shareCreditLine) {
                // Asked for before, says Meta: the account tells.
                case .alreadySo: doubt = Problem(error, status: status)
                // Not one of the account's users yet, or any more: given access once, and then posted again.
                case .fail(.operator)
                where (200...299).contains(error.code) && !isAttach && !wasGivenAccess
                    && context.installation.systemUserID != nil:
                    self = Knowledge()
                    lacksAccess = true
                    return nil
                default:
                    let token: GraphRequest.Token = isAttach ? .business : .system
                    return Classify.verdict(error, status: status, token: token, at: .shareCreditLine, context)
                }
            }
            // Read everything anew: what was known is from before the post.
            let kept = (doubt, wasGivenAccess)
            self = Knowledge()
            (doubt, wasGivenAccess) = kept
            doubtAbout = endpoint
            return nil
        }

        /// An answer about the account without the account's id tells nothing: above all not that nothing funds it.
        private mutating func learnReading(
            _ value: JSON,
            _ endpoint: Endpoint,
            wabaID: String,
            _ context: StepContext
        ) -> Verdict? {
            switch endpoint {
            case .readAccount:
                guard value.isNode(wabaID) else { return .retry(.malformed("id of the account")) }
                funding = .some(value["primary_funding_id"]?.id)
                owner = value["owner_business_info"]?["id"]?.id
            case .listAllocations:
                // The page shows a bare object where an edge normally answers with data.
                guard let rows = value["data"]?.array ?? (value["id"] == nil ? nil : [value]) else {
                    return .retry(.malformed("data"))
                }
                allocations = rows.filter { $0["request_status"]?.string != "DELETED" }.compactMap { $0["id"]?.id }
            case .readAllocation:
                guard let id = unreadAllocation(context), value.isNode(id) else {
                    return .retry(.malformed("id of the allocation"))
                }
                credentials[id] = value["receiving_credential"]?["id"]?.id ?? ""
            case .assignSystemUser:
                guard value["success"]?.bool == true else { return .retry(.malformed("success")) }
                lacksAccess = false
                wasGivenAccess = true
            case .exchangeCode, .recoverToken, .debugToken, .phoneNumbers, .subscribeApp, .readSubscriptions,
                .readAssignedUsers, .shareCreditLine, .shareAllocation, .attachAllocation, .readPhone, .registerPhone,
                .deregisterPhone, .syncAppData, .sendTestMessage:
                return .uncertain(.interrupted)
            }
            return nil
        }
    }
}
