/// From an error of Graph's to a verdict, by `error.code` as Meta advises, never by HTTP status alone.
enum Classify {
    /// For a call that was refused, or that may safely be repeated. `token` tells whose credentials a 190 is about.
    static func verdict(_ error: GraphError, status: Int, token: GraphRequest.Token) -> Verdict {
        let problem = Problem(error, status: status)
        switch error.code {
        // Temporary by definition: API service, unavailable, maintenance, registration server down.
        case 2, 131_016, 131_057, 133_004, 2_494_100: return .retry(problem)
        // Limits: of the app, of a user, custom, of an account, of a number.
        case 4, 17, 32, 341, 613, 80_007, 80_008, 130_429, 131_056, 133_008, 133_009, 133_016: return .retry(problem)
        // The number was deleted a moment ago; 5 minutes later it can be registered.
        case 133_015: return .retry(problem)
        // Unknown on Graph's side: worth a few more tries, not an hour of them.
        case 1: return .retry(problem, atMost: 2)
        case 131_000: return .retry(problem, atMost: 3)
        // The webhook override's endpoint did not answer Meta's challenge: it may be ours, and down for a moment.
        case 2200: return .retry(problem, atMost: 3)
        // Access that was granted a moment ago is not visible everywhere at once.
        case 33, 803: return .retry(problem, atMost: 3)
        case 100 where error.subcode == 33: return .retry(problem, atMost: 3)
        // A token that is no longer valid: the customer's, or ours.
        case 102, 190, 450...469: return .fail(problem, waitingOn: token == .business ? .customer : .operator)
        // Another PIN, an unverified number, payment terms: only the customer can do that.
        case 133_005, 133_006, 134_011: return .fail(problem, waitingOn: .customer)
        case 131_031, 131_037: return .fail(problem, waitingOn: .customer)
        // The number belongs to another account, or cannot be used here.
        case 2_388_001, 2_388_012, 2_388_091, 2_388_093, 2_388_103: return .fail(problem, waitingOn: .customer)
        default:
            if error.isTransient { return .retry(problem) }
            return status >= 500 ? .retry(problem, atMost: 3) : .fail(problem, waitingOn: .operator)
        }
    }
}
