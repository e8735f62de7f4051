/// The queue as a worker sees it: claim, settle, and what must be on record before a call leaves.
import Onboarding
import Postgres

struct JobQueue: Sendable {
    /// Connections for everything but LISTEN: one process holds at most three.
    static let connectionsMax = 2

    /// Outcomes numbered in one statement.
    private static let outcomesMax: Int32 = 1_000

    /// Whichever connection is free claims, marks, settles: neither kind of work waits for the other's commit.
    let pool: Pool
    let workerID: Int64
    let host: String
    let processID: Int32
    /// The ids of this process's sealing keys, the one that seals first.
    var keyIDs: [String] = []

    private static let steps = Step.allCases.map(\.rawValue)
    /// Each step's lease: its deadline and a margin.
    private static let leases = Step.allCases.map(\.policy.leaseSeconds)
    private static let horizons = Step.allCases.map(\.policy.horizonSeconds)

    /// - Parameters:
    ///   - watermark: the due time from which to look; nil for the beginning.
    ///   - resting: steps that are paused.
    func claim(
        lane: Int16,
        limit: Int,
        leaseID: Int64,
        from watermark: Timestamp?,
        without resting: [Step] = []
    ) async throws(PostgresError) -> [ClaimRow] {
        try await pool.run(
            Queries.claim(
                lane,
                Int32(clamping: limit),
                workerID,
                leaseID,
                Self.steps,
                Self.leases,
                watermark,
                resting.isEmpty ? nil : resting.map(\.rawValue),
                Self.horizons
            )
        )
    }

    /// Returns the leases whose jobs moved, each once. What is missing has lost its lease.
    func settle(_ results: [Settler.Result]) async throws(PostgresError) -> [Lease] {
        let result = ResultColumns(results)
        let next = NextColumns(results)
        return try await pool.run(
            Queries.settle(
                result.signupIDs,
                result.leaseIDs,
                result.generations,
                result.steps,
                result.attempts,
                next.verdicts,
                result.seconds,
                result.statuses,
                result.errorCodes,
                result.errorMessages,
                result.fbtraceIDs,
                next.steps,
                next.delays,
                next.horizons,
                next.counts,
                next.leaseIDs,
                next.endStates,
                next.parties,
                next.errorCodes,
                next.errorMessages,
                result.sealedTokens,
                result.tokenSeconds,
                result.wabaIDs,
                result.phoneNumberIDs,
                result.allocationConfigIDs,
                result.testMessageIDs,
                result.testMessageWAIDs,
                next.warnings,
                workerID
            )
        )
    }

    /// Those of the results that had been committed when the connection was lost.
    func settled(of results: [Settler.Result]) async throws(PostgresError) -> Set<Lease> {
        let found = try await pool.run(
            Queries.findSettled(results.map(\.settlement.lease.signupID), results.map(\.settlement.lease.id))
        )
        return Set(found)
    }

    /// Keeps what results whose lease was gone have told, and records them as stale.
    func recordLate(_ results: [Settler.Result]) async throws(PostgresError) {
        let result = ResultColumns(results)
        _ = try await pool.run(
            Queries.recordLate(
                result.signupIDs,
                result.leaseIDs,
                result.generations,
                result.steps,
                result.attempts,
                result.seconds,
                result.statuses,
                result.errorCodes,
                result.errorMessages,
                result.fbtraceIDs,
                result.sealedTokens,
                result.tokenSeconds,
                result.wabaIDs,
                result.phoneNumberIDs,
                result.allocationConfigIDs,
                result.testMessageIDs,
                result.testMessageWAIDs,
                workerID
            )
        )
    }

    /// Ends leases without a result. What may have been sent keeps its lease, unless these executions never began: then the
    /// mark is an earlier one's, and stays.
    func giveBack(
        _ leases: [Lease],
        afterSeconds seconds: Double = 0,
        neverBegun: Bool = false
    ) async throws(PostgresError) {
        _ = try await pool.run(Queries.giveBack(leases.map(\.signupID), leases.map(\.id), seconds, neverBegun))
    }

    /// Sets the sent marks, and returns the leases that were still there.
    func markSent(_ leases: [Lease]) async throws(PostgresError) -> Set<Lease> {
        Set(try await pool.run(Queries.markSent(leases.map(\.signupID), leases.map(\.id))))
    }

    /// What became of a precondition.
    enum Permission: Sendable, Equatable {
        case granted
        case refused(StepEvent.Refusal)
        /// Another worker has the job by now: nothing may leave, and there is nothing to settle.
        case leaseLost
    }

    func permission(
        for precondition: GraphRequest.Precondition,
        lease: Lease
    ) async throws(PostgresError) -> Permission {
        switch precondition {
        case .none:
            return .granted
        case .sentMark:
            return try await markSent([lease]).isEmpty ? .leaseLost : .granted
        case .creditShare(let wabaID, let attaches):
            let rows = try await pool.run(Queries.reserveCreditShare(lease.signupID, lease.id, wabaID, attaches))
            guard let owner = rows.first?.value else { return .leaseLost }
            return owner == lease.signupID ? .granted : .refused(.creditShareElsewhere(signupID: owner))
        case .registerCall(let phoneNumberID):
            let call = Queries.countRegisterCall(
                lease.signupID,
                lease.id,
                phoneNumberID,
                Int32(RegisterQuota.automaticMax),
                Int32(RegisterQuota.max),
                Step.registerPhone.policy.leaseSeconds
            )
            let (_, counted) = try await pool.atomically(Queries.lockPhone(phoneNumberID), call)
            guard let result = counted.first else { return .leaseLost }
            if result.isCounted { return .granted }
            if let other = result.elsewhere { return .refused(.registerElsewhere(signupID: other)) }
            return .refused(.registerQuota(used: Int(result.calls)))
        case .codeErased:
            return try await pool.run(Queries.eraseCode(lease.signupID, lease.id)).isEmpty ? .leaseLost : .granted
        }
    }

    // MARK: Pauses

    /// Scopes that are read at once: one a throttled account or number.
    static let throttlesMax: Int32 = 10_000
    /// Dead codes that are failed in one statement.
    private static let deadCodesMax: Int32 = 500

    /// Lets a scope rest, for all processes.
    ///
    /// - Returns: for how many seconds from now, which is longer where a longer pause is on.
    func pause(_ throttle: Throttle) async throws(PostgresError) -> Double {
        let rows = try await pool.run(
            Queries.pauseScope(
                throttle.scope.name,
                throttle.seconds,
                throttle.isNamed || throttle.isCredentials,
                StorableText.of("\(throttle.code) \(throttle.message)"),
                throttle.isCredentials
            )
        )
        return rows.first?.value ?? throttle.seconds
    }

    func throttles() async throws(PostgresError) -> [ThrottleRow] {
        try await pool.run(Queries.listThrottles(Self.throttlesMax))
    }

    /// Fails the signups whose codes have died and cannot be recovered. Returns how many.
    func failDeadCodes(canRecover: Bool) async throws(PostgresError) -> Int {
        var failed = 0
        while true {
            let batch = try await pool.run(Queries.failDeadCodes(canRecover, Self.deadCodesMax)).first
            failed += Int(batch?.failed ?? 0)
            guard let batch, batch.failed + batch.recoverable == Self.deadCodesMax else { return failed }
        }
    }

    /// The post was refused before it could have an effect: it does not count.
    func withdrawRefusedPost(_ precondition: GraphRequest.Precondition, lease: Lease) async throws(PostgresError) {
        guard case .creditShare(let wabaID, let attaches) = precondition else { return }
        _ = try await pool.run(Queries.withdrawCreditShare(lease.signupID, wabaID, attaches))
    }

    /// What is on record about sharing a credit line with this account; nil when nothing is.
    func creditShare(of wabaID: String) async throws(PostgresError) -> StepContext.CreditShare? {
        try await pool.run(Queries.readCreditShare(wabaID)).first?.share
    }

    /// The call provably never left: what its precondition put on record is taken back.
    func withdraw(_ precondition: GraphRequest.Precondition, lease: Lease) async throws(PostgresError) {
        switch precondition {
        // A code that was erased is not had back, and need not be.
        case .none, .codeErased: return
        case .sentMark: break
        case .registerCall(let phoneNumberID):
            _ = try await pool.run(Queries.withdrawRegisterCall(lease.signupID, phoneNumberID, lease.id))
        case .creditShare(let wabaID, let attaches):
            _ = try await pool.run(Queries.withdrawCreditShare(lease.signupID, wabaID, attaches))
        }
        _ = try await pool.run(Queries.unmarkSent(lease.signupID, lease.id))
    }

    /// Keeps a PIN sealed before any call carries it, and returns the one that counts.
    func keepPIN(_ sealed: String, signupID: Int64) async throws(PostgresError) -> String {
        let rows = try await pool.run(Queries.sealPIN(signupID, sealed))
        guard let kept = rows.first?.value else { throw .decoding("embark.secrets has no row for the signup") }
        return kept
    }

    /// Whether there is a job at all, due now or later.
    func hasJobs() async throws(PostgresError) -> Bool {
        try await pool.run(Queries.hasJobs()).first?.value ?? false
    }

    func numberOutcomes() async throws(PostgresError) {
        // In batches: the connection is needed for other things, too.
        while try await pool.run(Queries.numberOutcomes(Self.outcomesMax)).first?.value == Self.outcomesMax {}
    }

    func beat(sleeping: Bool, inFlight: Int) async throws(PostgresError) {
        _ = try await pool.run(
            Queries.beatWorker(workerID, sleeping, Int32(clamping: inFlight), host, processID, Version.current, keyIDs)
        )
    }

    /// Workers that are listed and whose presence nobody holds.
    func absentWorkers() async throws(PostgresError) -> Set<Int64> {
        Set(try await pool.run(Queries.findAbsentWorkers(workerID)).map(\.value))
    }

    /// Makes what they hold and have not sent due at once, and returns how many jobs that were.
    func release(absent workers: Set<Int64>) async throws(PostgresError) -> Int {
        Int(try await pool.run(Queries.releaseAbsentWorkers(Array(workers))).first?.value ?? 0)
    }

    /// Deletes one batch of attempts that are older than the retention, and returns how many.
    func deleteOldAttempts(days: Int, limit: Int) async throws(PostgresError) -> Int {
        let rows = try await pool.run(
            Queries.deleteOldAttempts(Int32(clamping: days), Int32(clamping: limit)),
            deadline: .seconds(60)
        )
        return Int(rows.first?.value ?? 0)
    }

    /// Deletes one batch of pauses that have long ended, and returns how many.
    func deleteOldThrottles(limit: Int) async throws(PostgresError) -> Int {
        Int(try await pool.run(Queries.deleteOldThrottles(Int32(clamping: limit))).first?.value ?? 0)
    }

    /// Business tokens in use that end within `Doctor.tokenDays`, or have ended within as many; at most `Doctor.tokensMax` of each.
    func endingTokens() async throws(PostgresError) -> Int64 {
        let rows = try await pool.run(Queries.inspectTokens(Doctor.tokenDays, Doctor.tokensMax, 1))
        return rows.reduce(0) { $0 + $1.tokens }
    }

    func retire() async throws(PostgresError) {
        _ = try await pool.run(Queries.retireWorker(workerID))
    }
}

/// Meta's limit for register and deregister (Meta, "Register a business phone number"): 10 calls a number in 72 hours,
/// then it is blocked for 72 more.
enum RegisterQuota {
    /// What Embark calls by itself.
    static let automaticMax = 4
    /// With those that operators' replays began. The tenth is never made: it is the one that blocks the number.
    static let max = 9
}

/// What a look at the codes' lane has done.
struct DeadCodes: RowDecodable {
    let failed: Int32
    /// Dead as well, and left to be recovered.
    let recoverable: Int32

    static let columnTypes: [PostgresType] = [.int4, .int4]

    init(_ row: inout RowReader) throws(PostgresError) {
        failed = try row.next()
        recoverable = try row.next()
    }
}

struct CountedCall: RowDecodable {
    let calls: Int32
    let isCounted: Bool
    /// The signup that registers the number, for which this one has to wait.
    let elsewhere: Int64?

    static let columnTypes: [PostgresType] = [.int4, .bool, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        calls = try row.next()
        isCounted = try row.next()
        elsewhere = try row.next()
    }
}
