/// `send_test_message`: a check that the number can send. At most once a generation: Graph knows no way to ask for it again.
enum SendTestMessage {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard case .answer(_, let answer)? = events.last else { return begin(context) }
        switch CallOutcome(answer).withDoubt {
        case .value(let value):
            guard let id = value["messages"]?.array?.first?["id"]?.string else {
                return .finish(.uncertain(.malformed("message id")))
            }
            return .finish(
                .done(Facts(testMessageID: id, testMessageWAID: value["contacts"]?.array?.first?["wa_id"]?.string))
            )
        case .notSent(let problem): return .finish(.retry(problem))
        case .unknown(let problem): return .finish(.uncertain(problem))
        case .refused(let error, let status):
            return .finish(Classify.verdict(error, status: status, token: .business))
        }
    }

    private static func begin(_ context: StepContext) -> StepMove {
        if context.wasSent { return .finish(.uncertain(.interrupted)) }
        guard let phoneNumberID = context.signup.phoneNumberID else {
            return .finish(.missing("phone", hint: "the signup has no number to send from"))
        }
        guard let recipient = context.signup.testRecipient, let text = context.signup.testMessage else {
            return .finish(.missing("recipient", hint: "the signup names nobody to send the test message to"))
        }
        return .call(
            GraphRequest(
                .sendTestMessage,
                .post,
                path: "\(phoneNumberID)/messages",
                body: .json([
                    .init("messaging_product", "whatsapp"),
                    .init("recipient_type", "individual"),
                    .init("to", recipient),
                    .init("type", "text"),
                    .init("text", [GraphRequest.Field("body", text)]),
                    // Comes back in the message's status webhooks and tells upstream which signup it belongs to.
                    .init("biz_opaque_callback_data", "embark:\(context.signup.id):\(context.signup.generation)"),
                ]),
                token: .business,
                precondition: .sentMark
            )
        )
    }
}
