/// From an error of Graph's to a verdict, by `error.code` as Meta advises, never by HTTP status alone.
enum Classify {
    /// For a call that was refused, or that may safely be repeated.
    ///
    /// A step that can do more than wait about `alreadySo`, `recover`, `deregister` or `register` has asked for the reaction
    /// before; what comes here has not helped.
    static func verdict(
        _ error: GraphError,
        status: Int,
        token: GraphRequest.Token,
        at step: Step,
        _ context: StepContext
    ) -> Verdict {
        let problem = Problem(error, status: status)
        if Throttle.credentials(error, status, token, step) != nil {
            // Ours for every signup at once: nothing fails, and nobody has to replay anything when they are renewed.
            return .throttle(problem, seconds: Throttle.credentialsSeconds)
        }
        guard let row = ErrorTable.row(for: error, at: step), let reaction = row.reaction else {
            if error.isTransient { return .retry(problem) }
            return status >= 500 ? .retry(problem, .atMost(3)) : .fail(problem, waitingOn: .operator)
        }
        switch reaction {
        case .retry(let patience): return .retry(problem, patience)
        case .throttle:
            let seconds = error.regainSeconds ?? row.limit?.seconds ?? Throttle.credentialsSeconds
            return .throttle(problem, seconds: Throttle.secondsRange.clamping(seconds))
        // What was done before is a synchronisation: nothing else is done by that.
        case .done where step == .syncContacts || step == .syncHistory: return .done(Facts())
        case .done: return .fail(problem, waitingOn: .operator)
        case .fail(let party): return .fail(problem, waitingOn: party)
        case .failPayer:
            let isOurs = context.installation.partnerMode == .solutionPartner
            return .fail(problem, waitingOn: isOurs ? .operator : .customer)
        case .token, .recover: return .fail(problem, waitingOn: .customer)
        case .alreadySo, .deregister, .register: return .fail(problem, waitingOn: .operator)
        }
    }

    static func reaction(_ error: GraphError, at step: Step) -> ErrorTable.Reaction? {
        ErrorTable.row(for: error, at: step)?.reaction
    }
}

extension ClosedRange<Double> {
    func clamping(_ value: Double) -> Double { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
