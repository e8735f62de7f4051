/// What settle.sql writes for one job: a transition with its lease, and its secrets sealed.
import Onboarding
import Postgres

struct Settlement: Sendable {
    let lease: Lease
    let generation: Int32
    let step: String
    let attempt: Int32
    let recorded: Transition.Recorded
    /// nil for a step that this version does not know.
    let knownStep: Step?
    /// How long the execution took.
    let seconds: Double
    let problem: Problem?
    let next: Transition.Next
    let counts: Bool
    let warning: String?
    let facts: Facts
    /// The business token that was learnt, sealed.
    let sealedToken: String?
    /// The lease under which the following step is this worker's at once; nil leaves it to whoever claims it.
    var nextLease: Lease?

    init(
        lease: Lease,
        job: ClaimedJob,
        seconds: Double,
        transition: Transition,
        sealedToken: String?
    ) {
        self.lease = lease
        generation = job.signup.generation
        step = job.step.rawValue
        attempt = job.attempt
        self.seconds = seconds
        recorded = transition.recorded
        knownStep = job.step
        problem = transition.problem
        next = transition.next
        counts = transition.counts
        warning = transition.warning
        var facts = transition.facts
        // The share's own row is found by its account.
        if facts.allocationConfigID != nil { facts.wabaID = facts.wabaID ?? job.signup.wabaID }
        self.facts = facts
        self.sealedToken = sealedToken
    }

    /// Whether it holds what another execution could not find out again.
    var tellsFacts: Bool {
        sealedToken != nil || facts.allocationConfigID != nil || facts.testMessageID != nil
    }

    /// A job that must not be run is failed with its reason.
    init(setAside problem: Problem, row: ClaimRow, lease: Lease) {
        self.lease = lease
        generation = row.generation
        step = row.stepName
        attempt = row.attempt
        seconds = 0
        recorded = .fail
        knownStep = Step(rawValue: row.stepName)
        self.problem = problem
        next = .failed(problem, waitingOn: .operator)
        counts = true
        warning = nil
        facts = Facts()
        sealedToken = nil
    }
}

/// The columns that a settle and the record of a late result have in common.
struct ResultColumns {
    var signupIDs: Int64Column
    var leaseIDs: Int64Column
    var generations: Int32Column
    var steps: TextColumn
    var attempts: Int32Column
    var seconds: DoubleColumn
    var statuses: Int32Column
    var errorCodes: TextColumn
    var errorMessages: TextColumn
    var fbtraceIDs: TextColumn
    var sealedTokens: TextColumn
    var tokenSeconds: DoubleColumn
    var wabaIDs: TextColumn
    var phoneNumberIDs: TextColumn
    var allocationConfigIDs: TextColumn
    var testMessageIDs: TextColumn
    var testMessageWAIDs: TextColumn

    init(_ results: [Settler.Result]) {
        let count = results.count
        signupIDs = Int64Column(reserving: count)
        leaseIDs = Int64Column(reserving: count)
        generations = Int32Column(reserving: count)
        steps = TextColumn(reserving: count)
        attempts = Int32Column(reserving: count)
        seconds = DoubleColumn(reserving: count)
        statuses = Int32Column(reserving: count)
        errorCodes = TextColumn()
        errorMessages = TextColumn()
        fbtraceIDs = TextColumn()
        sealedTokens = TextColumn()
        tokenSeconds = DoubleColumn()
        wabaIDs = TextColumn()
        phoneNumberIDs = TextColumn()
        allocationConfigIDs = TextColumn()
        testMessageIDs = TextColumn()
        testMessageWAIDs = TextColumn()
        for result in results { append(result.settlement) }
    }

    private mutating func append(_ one: Settlement) {
        signupIDs.append(one.lease.signupID)
        leaseIDs.append(one.lease.id)
        generations.append(one.generation)
        steps.append(one.step)
        attempts.append(one.attempt)
        seconds.append(one.seconds)
        statuses.append(one.problem?.httpStatus.map { Int32(clamping: $0) })
        errorCodes.append(one.problem.map { StorableText.of($0.code) })
        errorMessages.append(one.problem.map { StorableText.of($0.message) })
        fbtraceIDs.append(one.problem?.fbtraceID.map { StorableText.id($0) })
        sealedTokens.append(one.sealedToken)
        tokenSeconds.append(one.facts.tokenLifetimeSeconds.map(Double.init))
        wabaIDs.append(one.facts.wabaID)
        phoneNumberIDs.append(one.facts.phoneNumberID)
        allocationConfigIDs.append(one.facts.allocationConfigID)
        testMessageIDs.append(one.facts.testMessageID.map { StorableText.of($0) })
        testMessageWAIDs.append(one.facts.testMessageWAID.map { StorableText.of($0) })
    }
}

/// How the signups go on: the other columns of a settle.
struct NextColumns {
    var verdicts: TextColumn
    var steps: TextColumn
    var delays: DoubleColumn
    var horizons: DoubleColumn
    var counts: BoolColumn
    var leaseIDs: Int64Column
    var endStates: TextColumn
    var parties: TextColumn
    var errorCodes: TextColumn
    var errorMessages: TextColumn
    var warnings: TextColumn

    init(_ results: [Settler.Result]) {
        let count = results.count
        verdicts = TextColumn(reserving: count)
        steps = TextColumn(reserving: count)
        delays = DoubleColumn(reserving: count)
        horizons = DoubleColumn(reserving: count)
        counts = BoolColumn(reserving: count)
        leaseIDs = Int64Column(reserving: count)
        endStates = TextColumn()
        parties = TextColumn()
        errorCodes = TextColumn()
        errorMessages = TextColumn()
        warnings = TextColumn()
        for result in results { append(result.settlement) }
    }

    private mutating func append(_ one: Settlement) {
        verdicts.append(one.recorded.rawValue)
        counts.append(one.counts)
        leaseIDs.append(one.nextLease?.id)
        warnings.append(one.warning)
        var step: String?
        var delay = 0.0
        var horizon: Double?
        var end: String?
        var party: String?
        var problem: Problem?
        switch one.next {
        case .step(let following):
            step = following.rawValue
            horizon = following.policy.horizonSeconds
            if one.nextLease != nil { delay = following.policy.leaseSeconds }
        case .again(let seconds, let pausedSeconds):
            step = one.step
            delay = seconds
            if pausedSeconds > 0 { horizon = pausedSeconds }
        case .completed:
            end = "completed"
        case .failed(let why, let waitingOn):
            end = "failed"
            party = waitingOn.rawValue
            problem = why
        }
        steps.append(step)
        delays.append(delay)
        horizons.append(horizon)
        endStates.append(end)
        parties.append(party)
        errorCodes.append(problem.map { StorableText.of($0.code) })
        errorMessages.append(problem.map { StorableText.of($0.message) })
    }
}

/// Text from Graph as PostgreSQL can store it: without NUL and of a bounded length, and without what looks like a token.
enum StorableText {
    /// Code points, as PostgreSQL counts them: one character can be of any length.
    static let charactersMax = 1000

    /// Of an id that an index holds, whose entries have a third of a page at most; Graph's have some twenty.
    static let idCharactersMax = 100

    static func of(_ text: String) -> String { cut(text, charactersMax) }

    static func id(_ text: String) -> String { cut(text, idCharactersMax) }

    private static func cut(_ text: String, _ limit: Int) -> String {
        // No more of a megabyte is looked at than can be left of it; a token that the end of that cuts is one still.
        let beginning = String(String.UnicodeScalarView(text.unicodeScalars.prefix(4 * limit)))
        let clean = Scrubber.scrub(beginning).replacing("\0", with: "\u{FFFD}")
        guard clean.unicodeScalars.count > limit else { return clean }
        return String(clean.unicodeScalars.prefix(limit)) + "…"
    }
}
