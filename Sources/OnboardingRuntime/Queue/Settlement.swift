/// What settle.sql writes for one job: a transition with its lease, and its secrets sealed.
import Onboarding
import Postgres

struct Settlement: Sendable {
    let lease: Lease
    let step: String
    let attempt: Int32
    let verdict: String
    /// How long the execution took.
    let seconds: Double
    let problem: Problem?
    let next: Transition.Next
    let counts: Bool
    let warning: String?
    let facts: Facts
    /// The business token that was learnt, sealed.
    let sealedToken: String?

    init(
        lease: Lease,
        step: String,
        attempt: Int32,
        seconds: Double,
        transition: Transition,
        sealedToken: String?
    ) {
        self.lease = lease
        self.step = step
        self.attempt = attempt
        self.seconds = seconds
        verdict = transition.recorded.rawValue
        problem = transition.problem
        next = transition.next
        counts = transition.counts
        warning = transition.warning
        facts = transition.facts
        self.sealedToken = sealedToken
    }

    /// A row that cannot be run is failed with its reason.
    init(poison: PoisonRow, lease: Lease, step: String, attempt: Int32) {
        self.lease = lease
        self.step = step
        self.attempt = attempt
        seconds = 0
        let problem = Problem(code: "unreadable_row", message: poison.reason)
        verdict = Transition.Recorded.fail.rawValue
        self.problem = problem
        next = .failed(problem, waitingOn: .operator)
        counts = true
        warning = nil
        facts = Facts()
        sealedToken = nil
    }
}

/// Settlements as the arrays that settle.sql takes: one statement for a whole batch.
struct SettlementColumns {
    private(set) var signupIDs: [Int64] = []
    private(set) var leaseIDs: [Int64] = []
    private(set) var steps: [String] = []
    private(set) var attempts: [Int32] = []
    private(set) var verdicts: [String] = []
    private(set) var seconds: [Double] = []
    private(set) var statuses: [Int32?] = []
    private(set) var errorCodes: [String?] = []
    private(set) var errorMessages: [String?] = []
    private(set) var fbtraceIDs: [String?] = []
    private(set) var nexts: [String] = []
    private(set) var nextSteps: [String?] = []
    private(set) var delays: [Double] = []
    private(set) var horizons: [Double?] = []
    private(set) var counts: [Bool] = []
    private(set) var parties: [String?] = []
    private(set) var warnings: [String?] = []
    private(set) var signupErrorCodes: [String?] = []
    private(set) var signupErrorMessages: [String?] = []
    private(set) var sealedTokens: [String?] = []
    private(set) var tokenSeconds: [Double?] = []
    private(set) var wabaIDs: [String?] = []
    private(set) var phoneNumberIDs: [String?] = []
    private(set) var allocationConfigIDs: [String?] = []
    private(set) var testMessageIDs: [String?] = []
    private(set) var testMessageWAIDs: [String?] = []

    init(_ settlements: [Settlement]) {
        for settlement in settlements { append(settlement) }
    }

    private mutating func append(_ one: Settlement) {
        signupIDs.append(one.lease.signupID)
        leaseIDs.append(one.lease.id)
        steps.append(one.step)
        attempts.append(one.attempt)
        verdicts.append(one.verdict)
        seconds.append(one.seconds)
        statuses.append(one.problem?.httpStatus.map { Int32(clamping: $0) })
        errorCodes.append(one.problem.map { StorableText.of($0.code) })
        errorMessages.append(one.problem.map { StorableText.of($0.message) })
        fbtraceIDs.append(one.problem?.fbtraceID.map { StorableText.of($0) })
        appendNext(one.next)
        counts.append(one.counts)
        warnings.append(one.warning)
        sealedTokens.append(one.sealedToken)
        tokenSeconds.append(one.facts.tokenLifetimeSeconds.map(Double.init))
        wabaIDs.append(one.facts.wabaID)
        phoneNumberIDs.append(one.facts.phoneNumberID)
        allocationConfigIDs.append(one.facts.allocationConfigID)
        testMessageIDs.append(one.facts.testMessageID.map { StorableText.of($0) })
        testMessageWAIDs.append(one.facts.testMessageWAID.map { StorableText.of($0) })
    }

    private mutating func appendNext(_ next: Transition.Next) {
        var step: String?
        var delay = 0.0
        var horizon: Double?
        var party: String?
        var problem: Problem?
        switch next {
        case .step(let following):
            nexts.append("step")
            step = following.rawValue
            horizon = following.policy.horizonSeconds
        case .again(let seconds):
            nexts.append("again")
            delay = seconds
        case .completed:
            nexts.append("completed")
        case .failed(let why, let waitingOn):
            nexts.append("failed")
            party = waitingOn.rawValue
            problem = why
        }
        nextSteps.append(step)
        delays.append(delay)
        horizons.append(horizon)
        parties.append(party)
        signupErrorCodes.append(problem.map { StorableText.of($0.code) })
        signupErrorMessages.append(problem.map { StorableText.of($0.message) })
    }
}

/// Text from Graph as PostgreSQL can store it: without NUL and of a bounded length, and without what looks like a token.
enum StorableText {
    /// Code points, as PostgreSQL counts them: one character can be of any length.
    static let charactersMax = 1000

    static func of(_ text: String) -> String {
        let clean = Scrubber.scrub(text).replacing("\0", with: "\u{FFFD}")
        guard clean.unicodeScalars.count > charactersMax else { return clean }
        return String(clean.unicodeScalars.prefix(charactersMax)) + "…"
    }
}

/// The last line of defence: no text that came from elsewhere is stored or logged before it has been here.
enum Scrubber {
    private static let parameters = [
        "access_token=", "client_secret=", "code=", "input_token=", "appsecret_proof=", "fb_exchange_token=",
        "verify_token=", "pin=",
    ].map { Array($0.unicodeScalars) }
    private static let tokenBeginning = Array("EAA".unicodeScalars)

    /// Replaces tokens (`EAA…`) and the values of parameters that carry secrets.
    static func scrub(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = String.UnicodeScalarView()
        var index = 0
        while index < scalars.count {
            let rest = scalars[index...]
            let isBeginning = index == 0 || !isWord(scalars[index - 1])
            if isBeginning, let name = parameters.first(where: { rest.starts(with: $0) }) {
                result += name
                result += "[secret]".unicodeScalars
                index = rest.dropFirst(name.count).firstIndex { endsValue($0) } ?? scalars.endIndex
            } else if rest.starts(with: tokenBeginning) {
                let end = rest.firstIndex { !isToken($0) } ?? scalars.endIndex
                // Three letters alone are no token.
                let isSecret = end - index >= tokenBeginning.count + 8
                result += isSecret ? Array("[secret]".unicodeScalars) : Array(scalars[index..<end])
                index = end
            } else {
                result.append(scalars[index])
                index += 1
            }
        }
        return String(result)
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_": true
        default: false
        }
    }

    private static func isToken(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "-", ".", "|", "%": true
        default: isWord(scalar)
        }
    }

    /// A value may hold any sign but these.
    private static func endsValue(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "&", "#", "\"", "'", "<", ">", "(", ")", "[", "]", "{", "}", ",", ";": true
        default: scalar.properties.isWhitespace
        }
    }
}
