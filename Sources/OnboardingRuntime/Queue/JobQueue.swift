/// The queue as a worker sees it: claim, settle, and what must be on record before a call leaves.
import Onboarding
import Postgres

struct JobQueue: Sendable {
    /// One connection claims and keeps records, another settles: neither waits for the other's commit.
    let claims: Pool
    let settles: Pool
    let workerID: Int64

    /// Each step's lease: its deadline and a margin.
    private static let leases = Step.allCases.map {
        ($0.rawValue, $0.policy.leaseSeconds)
    }

    func claim(lane: Int16, limit: Int, leaseID: Int64) async throws(PostgresError) -> [ClaimRow] {
        try await claims.run(
            Queries.claim(
                lane,
                Int32(clamping: limit),
                workerID,
                leaseID,
                Self.leases.map(\.0),
                Self.leases.map(\.1)
            )
        )
    }

    /// Returns the signups that moved. What is missing has lost its lease.
    func settle(_ settlements: [Settlement]) async throws(PostgresError) -> Set<Int64> {
        let columns = SettlementColumns(settlements)
        let moved = try await settles.run(
            Queries.settle(
                columns.signupIDs,
                columns.leaseIDs,
                columns.steps,
                columns.attempts,
                columns.verdicts,
                columns.seconds,
                columns.statuses,
                columns.errorCodes,
                columns.errorMessages,
                columns.fbtraceIDs,
                columns.nexts,
                columns.nextSteps,
                columns.delays,
                columns.horizons,
                columns.counts,
                columns.parties,
                columns.warnings,
                columns.signupErrorCodes,
                columns.signupErrorMessages,
                columns.sealedTokens,
                columns.tokenSeconds,
                columns.wabaIDs,
                columns.phoneNumberIDs,
                columns.allocationConfigIDs,
                columns.testMessageIDs,
                columns.testMessageWAIDs,
                workerID
            )
        )
        return Set(moved.map(\.value))
    }

    /// Ends leases without a result; what may have been sent keeps its lease.
    func giveBack(_ leases: [Lease]) async throws(PostgresError) {
        _ = try await settles.run(Queries.giveBack(leases.map(\.signupID), leases.map(\.id)))
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
            let marked = try await claims.run(Queries.markSent(lease.signupID, lease.id))
            return marked.isEmpty ? .leaseLost : .granted
        case .creditShare(let wabaID):
            let rows = try await claims.run(Queries.reserveCreditShare(lease.signupID, lease.id, wabaID))
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
            let (_, counted) = try await claims.atomically(Queries.lockPhone(phoneNumberID), call)
            guard let result = counted.first else { return .leaseLost }
            if result.isCounted { return .granted }
            if let other = result.elsewhere { return .refused(.registerElsewhere(signupID: other)) }
            return .refused(.registerQuota(used: Int(result.calls)))
        }
    }

    /// The call provably never left: what its precondition put on record is taken back.
    func withdraw(_ precondition: GraphRequest.Precondition, lease: Lease) async throws(PostgresError) {
        switch precondition {
        case .none: return
        case .sentMark, .registerCall: break
        case .creditShare(let wabaID):
            _ = try await claims.run(Queries.withdrawCreditShare(lease.signupID, wabaID))
        }
        _ = try await claims.run(Queries.unmarkSent(lease.signupID, lease.id))
    }

    /// Keeps a PIN sealed before any call carries it, and returns the one that counts.
    func keepPIN(_ sealed: String, signupID: Int64) async throws(PostgresError) -> String {
        let rows = try await claims.run(Queries.sealPIN(signupID, sealed))
        guard let kept = rows.first?.value else { throw .decoding("embark.secrets has no row for the signup") }
        return kept
    }

    /// Seconds until the next job is due, 0 or less for now; nil when there is no job at all.
    func nextDue() async throws(PostgresError) -> Double? {
        try await claims.run(Queries.nextDue()).first?.seconds
    }

    func numberOutcomes() async throws(PostgresError) {
        _ = try await claims.run(Queries.numberOutcomes(10_000))
    }

    func beat(sleeping: Bool, inFlight: Int) async throws(PostgresError) {
        _ = try await claims.run(Queries.beatWorker(workerID, sleeping, Int32(clamping: inFlight)))
    }

    func retire() async throws(PostgresError) {
        _ = try await claims.run(Queries.retireWorker(workerID))
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

struct DueFacts: RowDecodable {
    let jobs: Int32
    let seconds: Double?

    static let columnTypes: [PostgresType] = [.int4, .float8]

    init(_ row: inout RowReader) throws(PostgresError) {
        jobs = try row.next()
        seconds = try row.next()
    }
}
