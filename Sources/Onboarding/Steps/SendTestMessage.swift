/// `send_test_message`: a check that the number can send. At most once a generation: Graph knows no way to ask for it again.
enum SendTestMessage {
    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let last = events.last else { return begin(context) }
        switch last {
        case .refused(let refusal): return .finish(RegisterPhone.verdict(on: refusal))
        case .answer(.registerPhone, let answer): return afterRegistering(CallOutcome(answer), context)
        case .answer(_, let answer): return afterSending(answer, context, isFirst: events.count == 1)
        }
    }

    private static func begin(_ context: StepContext) -> StepMove {
        context.wasSent ? .finish(.uncertain(.interrupted)) : send(context)
    }

    private static func send(_ context: StepContext) -> StepMove {
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

    private static func afterSending(_ answer: GraphAnswer, _ context: StepContext, isFirst: Bool) -> StepMove {
        // Not registered, or with a certificate that is not right: nothing was sent, and registering again mends both.
        if case .refused(let error, _) = CallOutcome(answer), isFirst,
            Classify.reaction(error, at: .sendTestMessage) == .register,
            context.signup.plan.steps.contains(.registerPhone), let phoneNumberID = context.signup.phoneNumberID
        {
            return RegisterPhone.register(phoneNumberID, context)
        }
        switch CallOutcome(answer).withDoubt(at: .sendTestMessage) {
        case .value(let value):
            guard let id = value["messages"]?.array?.first?["id"]?.string else {
                return .finish(.uncertain(.malformed("message id")))
            }
            return .finish(
                .done(Facts(testMessageID: id, testMessageWAID: value["contacts"]?.array?.first?["wa_id"]?.string))
            )
        case .notSent(let problem): return .finish(.retry(problem))
        case .unknown(let problem): return .finish(.uncertain(problem))
        case .refused(let error, let status): return .finish(verdict(error, status, context))
        }
    }

    private static func afterRegistering(_ outcome: CallOutcome, _ context: StepContext) -> StepMove {
        switch outcome {
        case .value(let value):
            return value["success"]?.bool == true ? send(context) : .finish(.retry(.malformed("success"), .atMost(1)))
        // The message is known not to have been sent: the next execution sends it.
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem, .atMost(1)))
        case .refused(let error, let status): return .finish(verdict(error, status, context))
        }
    }

    private static func verdict(_ error: GraphError, _ status: Int, _ context: StepContext) -> Verdict {
        Classify.verdict(error, status: status, token: .business, at: .sendTestMessage, context)
    }
}
