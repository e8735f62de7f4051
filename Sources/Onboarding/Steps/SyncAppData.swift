/// `sync_contacts` and `sync_history`: once each, within 24 hours, for a number that stays in the WhatsApp Business app.
enum SyncAppData {
    static func next(_ context: StepContext, _ events: [StepEvent], type: String) -> StepMove {
        guard case .answer(_, let answer)? = events.last else { return begin(context, type: type) }
        switch CallOutcome(answer).withDoubt {
        case .value: return .finish(.done(Facts()))
        case .notSent(let problem): return .finish(.retry(problem))
        case .unknown(let problem): return .finish(.uncertain(problem))
        case .refused(let error, let status):
            // Already done is done.
            if error.code == 2_593_107 { return .finish(.done(Facts())) }
            return .finish(Classify.verdict(error, status: status, token: .business))
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
    static let interrupted = Problem(
        code: "effect_uncertain",
        message: "the worker was interrupted after the call may have left"
    )
}
