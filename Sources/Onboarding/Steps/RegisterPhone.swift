/// `register_phone`: registers the number for Cloud API. Ten calls a number in 72 hours, so the status is read first.
enum RegisterPhone {
    /// Between two looks at a number that another signup registers.
    static let elsewhereSeconds = 2

    static func next(_ context: StepContext, _ events: [StepEvent]) -> StepMove {
        guard let phoneNumberID = context.signup.phoneNumberID else {
            return .finish(.missing("phone", hint: "the signup has no number to register"))
        }
        switch events.count {
        case 0: return readStatus(of: phoneNumberID)
        case 1: return afterStatus(events[0], phoneNumberID, context)
        case 2 where isPINMismatch(events[1]):
            // Another signup of the same number may have registered it, with its own PIN, since the status was read.
            return readStatus(of: phoneNumberID)
        case 2: return .finish(afterCall(events[1]))
        default:
            return .finish(isConnected(events[2]) ? .done(Facts()) : afterCall(events[1]))
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

    /// Registered is a connected number of this platform; one that is connected elsewhere is not ours yet.
    private static func isConnected(_ event: StepEvent) -> Bool {
        guard case .answer(_, let answer) = event, case .value(let value) = CallOutcome(answer) else { return false }
        return value["status"]?.string == "CONNECTED" && value["platform_type"]?.string == "CLOUD_API"
    }

    private static func isPINMismatch(_ event: StepEvent) -> Bool {
        guard case .answer(_, let answer) = event, case .refused(let error, _) = CallOutcome(answer) else {
            return false
        }
        return error.code == 133_005
    }

    private static func afterStatus(_ event: StepEvent, _ phoneNumberID: String, _ context: StepContext) -> StepMove {
        guard case .answer(_, let answer) = event else { return .finish(afterCall(event)) }
        if isConnected(event) { return .finish(.done(Facts())) }
        switch CallOutcome(answer) {
        case .value: break
        case .unknown(let problem), .notSent(let problem): return .finish(.retry(problem))
        case .refused(let error, let status):
            return .finish(Classify.verdict(error, status: status, token: .business))
        }
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

    private static func afterCall(_ event: StepEvent) -> Verdict {
        switch event {
        case .refused(.registerQuota(let used)):
            return .fail(
                Problem(
                    code: "register_quota",
                    message: "the number has had \(used) register calls in 72 hours, and Meta blocks it after 10"
                ),
                waitingOn: .operator
            )
        case .refused(.registerElsewhere(let signupID)):
            return .wait(
                Problem(
                    code: "register_elsewhere",
                    message: "signup \(signupID) registers the same number; its status is read again after that"
                ),
                seconds: elsewhereSeconds
            )
        case .refused(.creditShareElsewhere):
            return .uncertain(.interrupted)
        case .answer(_, let answer):
            switch CallOutcome(answer) {
            case .value(let value):
                return value["success"]?.bool == true ? .done(Facts()) : .retry(.malformed("success"))
            // Harmless to repeat but for the quota: the status is read first, and the call was counted.
            case .unknown(let problem), .notSent(let problem): return .retry(problem)
            case .refused(let error, let status):
                return Classify.verdict(error, status: status, token: .business)
            }
        }
    }
}
