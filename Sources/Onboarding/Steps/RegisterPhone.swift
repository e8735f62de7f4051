/// `register_phone`: registers the number for Cloud API. Ten calls a number in 72 hours, so the status is read first.
enum RegisterPhone {
    /// Between two looks at a number that another signup registers.
    static let elsewhereSeconds = 2

    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let phoneNumberID = context.signup.phoneNumberID else {
            return .finish(.missing("phone", hint: "the signup has no number to register"))
        }
        guard let last = events.last else { return readStatus(of: phoneNumberID) }
        switch last {
        case .refused(let refusal): return .finish(verdict(on: refusal))
        case .answer(.readPhone, let answer):
            return afterStatus(CallOutcome(answer), phoneNumberID, context, events.dropLast())
        case .answer(.deregisterPhone, let answer):
            return afterDeregistering(CallOutcome(answer), phoneNumberID, context)
        case .answer(_, let answer):
            return afterCall(CallOutcome(answer), phoneNumberID, context, events.dropLast())
        }
    }

    private static func readStatus(of phoneNumberID: String) -> StepMove {
        .call(
            GraphRequest(
                .readPhone,
                .get,
                path: phoneNumberID,
                query: [.init("fields", "status,platform_type")],
                token: .business
            )
        )
    }

    /// Shared with the test message, which may find that the number is not registered after all.
    static func register(_ phoneNumberID: String, _ context: StepContext) -> StepMove {
        guard let pin = context.credentials.pin else {
            return .finish(.missing("pin", hint: "the signup has no PIN, not even one that was made"))
        }
        var body: [GraphRequest.Field] = [.init("messaging_product", "whatsapp"), .init("pin", pin)]
        if let region = context.signup.dataLocalizationRegion {
            body.append(.init("data_localization_region", region))
        }
        return .call(
            GraphRequest(
                .registerPhone,
                .post,
                path: "\(phoneNumberID)/register",
                body: .json(body),
                token: .business,
                precondition: .registerCall(phoneNumberID: phoneNumberID)
            )
        )
    }

    /// Registered is a connected number of this platform; one that is connected elsewhere is not ours yet.
    private static func isConnected(_ value: JSON) -> Bool {
        value["status"]?.string == "CONNECTED" && value["platform_type"]?.string == "CLOUD_API"
    }

    private static func afterStatus(
        _ outcome: CallOutcome,
        _ phoneNumberID: String,
        _ context: StepContext,
        _ before: ArraySlice<StepEvent>
    ) -> StepMove {
        switch outcome {
        // Without the number's id the answer tells nothing: above all not that the number is not registered.
        case .value(let value) where !value.isNode(phoneNumberID):
            return .finish(.retry(.malformed("id of the number")))
        case .value(let value) where isConnected(value): return .finish(.done(Facts()))
        case .value: break
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status): return .finish(verdict(error, status, context))
        }
        // It was read because of what a call to register had answered, or because none was made yet.
        guard let (error, status) = refusals(before).last else { return register(phoneNumberID, context) }
        let isFirst = refusals(before).count == 1
        if isFirst, Classify.reaction(error, at: .registerPhone) == .register {
            return register(phoneNumberID, context)
        }
        return .finish(verdict(error, status, context))
    }

    private static func afterCall(
        _ outcome: CallOutcome,
        _ phoneNumberID: String,
        _ context: StepContext,
        _ before: ArraySlice<StepEvent>
    ) -> StepMove {
        switch outcome {
        case .value(let value):
            return .finish(value["success"]?.bool == true ? .done(Facts()) : .retry(.malformed("success")))
        // Harmless to repeat but for the quota: the status is read first, and the call was counted.
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            switch Classify.reaction(error, at: .registerPhone) {
            case .deregister where !hasDeregistered(before):
                return .call(
                    GraphRequest(
                        .deregisterPhone,
                        .post,
                        path: "\(phoneNumberID)/deregister",
                        token: .business,
                        precondition: .registerCall(phoneNumberID: phoneNumberID)
                    )
                )
            // Another signup may have registered the number, with its own PIN, since the status was read; or the call did
            // what it complains of.
            case .register, .alreadySo: return readStatus(of: phoneNumberID)
            default:
                let mayBeRegistered = error.code == 133_005 || error.name == "100"
                return mayBeRegistered ? readStatus(of: phoneNumberID) : .finish(verdict(error, status, context))
            }
        }
    }

    private static func afterDeregistering(
        _ outcome: CallOutcome,
        _ phoneNumberID: String,
        _ context: StepContext
    ) -> StepMove {
        switch outcome {
        case .value(let value):
            return value["success"]?.bool == true
                ? register(phoneNumberID, context) : .finish(.retry(.malformed("success")))
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            // Not registered any more: that is what it was for.
            if Classify.reaction(error, at: .registerPhone) == .register { return register(phoneNumberID, context) }
            return .finish(verdict(error, status, context))
        }
    }

    private static func hasDeregistered(_ events: ArraySlice<StepEvent>) -> Bool {
        events.contains { if case .answer(.deregisterPhone, _) = $0 { true } else { false } }
    }

    /// What the calls to register were refused with.
    private static func refusals(_ events: ArraySlice<StepEvent>) -> [(GraphError, Int)] {
        events.compactMap { event in
            guard case .answer(.registerPhone, let answer) = event,
                case .refused(let error, let status) = CallOutcome(answer)
            else { return nil }
            return (error, status)
        }
    }

    private static func verdict(_ error: GraphError, _ status: Int, _ context: StepContext) -> Verdict {
        Classify.verdict(error, status: status, token: .business, at: .registerPhone, context)
    }

    static func verdict(on refusal: StepEvent.Refusal) -> Verdict {
        switch refusal {
        case .registerQuota(let used):
            .fail(
                Problem(
                    code: "register_quota",
                    message: "the number has had \(used) register calls in 72 hours, and Meta blocks it after 10"
                ),
                waitingOn: .operator
            )
        case .registerElsewhere(let signupID):
            .wait(
                Problem(
                    code: "register_elsewhere",
                    message: "signup \(signupID) registers the same number; its status is read again after that"
                ),
                seconds: elsewhereSeconds
            )
        case .creditShareElsewhere: .uncertain(.interrupted)
        }
    }
}
