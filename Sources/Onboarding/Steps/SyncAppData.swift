/// `sync_contacts` and `sync_history`: once each, within 24 hours, for a number that stays in the WhatsApp Business app.
enum SyncAppData {
    static func next(_ context: StepContext, _ events: [StepEvent], type: String) -> StepMove {
        guard case .answer(_, let answer)? = events.last else { return begin(context, type: type) }
        let step: Step = type == "history" ? .syncHistory : .syncContacts
        switch CallOutcome(answer).withDoubt(at: step) {
        case .value(let value):
            return .finish(value["request_id"] == nil ? .uncertain(.malformed("request_id")) : .done(Facts()))
        case .notSent(let problem): return .finish(.retry(problem))
        case .unknown(let problem): return .finish(.uncertain(problem))
        case .refused(let error, let status):
            return .finish(Classify.verdict(error, status: status, token: .business, at: step, context))
        }
    }

    private static func begin(_ context: StepContext, type: String) -> StepMove {
        if context.wasSent {
            return .finish(.uncertain(.interrupted))
        }
        guard let phoneNumberID = context.signup.phoneNumberID else {
            return .finish(.missing("phone", hint: "the signup has no number"))
        }
        return .call(
            GraphRequest(
                .syncAppData,
                .post,
                path: "\(phoneNumberID)/smb_app_data",
                body: .json([.init("messaging_product", "whatsapp"), .init("sync_type", type)]),
                token: .business,
                precondition: .sentMark
            )
        )
    }
}

extension Problem {
    /// Nobody can tell whether the call had its effect: the worker that made it was never heard of again.
    public static let interrupted = Problem(
        code: "effect_uncertain",
        message: "the worker was interrupted after the call may have left"
    )
}
