/// An answer reduced to what a step has to tell apart.
enum CallOutcome: Equatable {
    /// Graph did what was asked and answered this.
    case value(JSON)
    /// Graph answered with an error of its own.
    case refused(GraphError, status: Int)
    /// No answer of Graph's: the call may have had its effect.
    case unknown(Problem)
    /// The call provably never left.
    case notSent(Problem)

    init(_ answer: GraphAnswer) {
        switch answer {
        case .notSent(let reason):
            self = .notSent(Problem(code: "not_sent", message: "the call could not be sent: \(reason)"))
        case .effectUnknown(let reason):
            self = .unknown(Problem(code: "no_answer", message: "the call was sent and no answer came: \(reason)"))
        case .answered(let response):
            switch response.content {
            case .error(let error): self = .refused(error, status: response.status)
            case .value(let value) where (200..<300).contains(response.status): self = .value(value)
            case .value:
                self = .unknown(.unreadable("JSON without Graph's error envelope", status: response.status))
            case .unreadable(let what): self = .unknown(.unreadable(what, status: response.status))
            }
        }
    }

    /// For a call that changed something unless it was refused: a server's fault leaves open whether it did.
    ///
    /// Code 1 is "an unknown error", code 2 "temporary", and neither says how far the call came. A code that is known not to
    /// pass is a refusal, whatever its status: Meta answers some of them with 500.
    func withDoubt(at step: Step) -> CallOutcome {
        guard case .refused(let error, let status) = self else { return self }
        switch Classify.reaction(error, at: step) {
        case .retry, nil:
            let isOpen = status >= 500 || error.code == 1 || error.code == 2 || error.isTransient
            return isOpen ? .unknown(Problem(error, status: status)) : self
        case .throttle, .token, .alreadySo, .done, .recover, .deregister, .register, .fail, .failPayer:
            return self
        }
    }
}

extension GraphAnswer {
    /// Refused in a way that leaves no doubt that nothing has happened.
    public func isRefusalWithoutEffect(at step: Step) -> Bool {
        if case .refused = CallOutcome(self).withDoubt(at: step) { true } else { false }
    }
}

extension Problem {
    init(_ error: GraphError, status: Int) {
        var message = error.message
        if let details = error.details, !details.isEmpty, details != message {
            message += message.isEmpty ? details : " (\(details))"
        }
        self.init(code: error.name, message: message, httpStatus: status, fbtraceID: error.fbtraceID)
    }

    static func unreadable(_ what: String, status: Int) -> Problem {
        Problem(code: "unreadable_answer", message: "the answer is not Graph's: \(what)", httpStatus: status)
    }

    /// Graph answered, but without what the call is for.
    static func malformed(_ missing: String) -> Problem {
        Problem(code: "malformed_answer", message: "Graph's answer has no \(missing)")
    }
}
