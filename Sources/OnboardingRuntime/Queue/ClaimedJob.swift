/// A job in this worker's hands, with all that its step needs to know.
import Onboarding
import Postgres
import Synchronization

/// The key to a job: every write that moves it carries both, and none moves it when the lease has gone.
struct Lease: Sendable, Hashable {
    let signupID: Int64
    /// Made by the claiming worker and unique for ever: its id in the high 32 bits, its own counter in the low.
    let id: Int64

    /// Two leases of one signup at the same time are rare, so its id alone spreads them.
    func hash(into hasher: inout Hasher) { hasher.combine(signupID) }
}

extension Lease: RowDecodable {
    static let columnTypes: [PostgresType] = [.int8, .int8]

    init(_ row: inout RowReader) throws(PostgresError) {
        signupID = try row.next()
        id = try row.next()
    }
}

/// Where this worker's leases come from.
final class LeaseIDs: Sendable {
    private let high: Int64
    private let counter = Atomic<UInt32>(0)

    init(workerID: Int64) { high = workerID << 32 }

    /// Never the same twice: four thousand million leases are more than a process lives to take.
    func next() -> Int64 { high | Int64(counter.wrappingAdd(1, ordering: .relaxed).newValue) }
}

struct ClaimedJob: Sendable {
    let signupID: Int64
    var step: Step
    var attempt: Int32
    var wasSent: Bool
    var secondsUntilGiveUp: Double?
    /// From when the claim was sent; less by the way that the answer took.
    var leaseSeconds: Double
    let codeSecondsLeft: Double
    var signup: Signup
    var secrets: StoredSecrets

    /// What stands in embark.secrets. Plain where upstream handed it in, sealed where a worker wrote it.
    struct StoredSecrets: Sendable {
        var code: Secret?
        /// As upstream handed it in; gone once it is sealed.
        var plainPIN: Secret?
        var sealedPIN: String?
        var sealedToken: String?
        /// The same token, where this worker has had it in hands: opening costs more than a step's own work.
        var token: Secret?
        let verifyToken: Secret?
    }

    /// Becomes the following step of the same signup, leased to this worker by the settlement of this one.
    mutating func goOn(to next: Step, with settlement: Settlement) {
        step = next
        attempt = 1
        wasSent = false
        secondsUntilGiveUp = next.policy.horizonSeconds
        leaseSeconds = next.policy.leaseSeconds
        let facts = settlement.facts
        signup.wabaID = signup.wabaID ?? facts.wabaID
        signup.phoneNumberID = signup.phoneNumberID ?? facts.phoneNumberID
        signup.allocationConfigID = signup.allocationConfigID ?? facts.allocationConfigID
        signup.testMessageID = signup.testMessageID ?? facts.testMessageID
        if let token = facts.businessToken {
            secrets.code = nil
            secrets.token = token
            secrets.sealedToken = settlement.sealedToken
        }
    }
}

/// A row of claim.sql: either a job that can be run, or why this version cannot run it.
struct ClaimRow: RowDecodable {
    let signupID: Int64
    let stepName: String
    let attempt: Int32
    let generation: Int32
    /// Executions of this step whose worker was never heard of again.
    let interrupted: Int32
    /// The latest due time among the rows of the same claim.
    let claimedTo: Timestamp
    let job: Result<ClaimedJob, PoisonRow>

    /// Whether it may be what ends its workers. One that is only set aside is not run, and can end none.
    var runsAlone: Bool {
        guard case .success = job else { return false }
        return (Interruptions.aloneFrom..<Interruptions.max).contains(Int(interrupted))
    }

    static let columnTypes: [PostgresType] = [
        .int8, .text, .int4, .bool, .int4, .timestamptz, .float8, .float8,
        .int4, .text, [String].postgresType, .text, .text, .text, .text,
        .text, .text, .text, .text, .text, .text, .text,
        .float8, .bool, .text, .text, .text, .text, .text,
    ]

    init(_ row: inout RowReader) throws(PostgresError) {
        signupID = try row.next()
        stepName = try row.next()
        attempt = try row.next()
        let wasSent: Bool = try row.next()
        interrupted = try row.next()
        claimedTo = try row.next()
        let secondsUntilGiveUp: Double? = try row.next()
        let leaseSeconds: Double = try row.next()
        let generation: Int32? = try row.next()
        self.generation = generation ?? 0
        do throws(PostgresError) {
            job = try Self.job(
                signupID,
                stepName,
                generation,
                attempt: attempt,
                wasSent: wasSent,
                secondsUntilGiveUp: secondsUntilGiveUp,
                leaseSeconds: leaseSeconds,
                &row
            )
        } catch {
            // The rest of the claim is healthy: an array with another form than any of ours must not keep it waiting.
            job = .failure(PoisonRow(reason: "its row cannot be read: \(error)"))
        }
    }

    /// What stands behind the job's own columns: the signup and its secrets.
    private static func job(
        _ signupID: Int64,
        _ stepName: String,
        _ generation: Int32?,
        attempt: Int32,
        wasSent: Bool,
        secondsUntilGiveUp: Double?,
        leaseSeconds: Double,
        _ row: inout RowReader
    ) throws(PostgresError) -> Result<ClaimedJob, PoisonRow> {
        let flowName: String? = try row.next()
        let stepNames: [String]? = try row.next()
        let wabaID: String? = try row.next()
        let phoneNumberID: String? = try row.next()
        let businessID: String? = try row.next()
        let currency: String? = try row.next()
        let redirectURI: String? = try row.next()
        let region: String? = try row.next()
        let overrideURI: String? = try row.next()
        let testRecipient: String? = try row.next()
        let testMessage: String? = try row.next()
        let allocationConfigID: String? = try row.next()
        let testMessageID: String? = try row.next()
        let codeSecondsLeft: Double? = try row.next()
        let hasSecrets: Bool = try row.next()
        let code: String? = try row.next()
        let pin: String? = try row.next()
        let sealedPIN: String? = try row.next()
        let sealedToken: String? = try row.next()
        let verifyToken: String? = try row.next()
        guard let generation, let flowName, let stepNames else {
            return .failure(PoisonRow(reason: "the job's signup does not exist"))
        }
        guard let step = Step(rawValue: stepName) else {
            return .failure(PoisonRow(reason: "this version of embark does not know the step"))
        }
        guard let flow = Flow(rawValue: flowName) else {
            return .failure(PoisonRow(reason: "this version of embark does not know the flow"))
        }
        let plan: Plan
        do throws(MalformedPlan) {
            plan = try Plan(stepNames: stepNames)
        } catch {
            return .failure(PoisonRow(reason: error.description))
        }
        guard plan.steps.contains(step) else {
            return .failure(PoisonRow(reason: "the signup's plan does not have the step \(stepName)"))
        }
        guard hasSecrets else {
            return .failure(PoisonRow(reason: "the signup has no row in embark.secrets"))
        }
        // They enter the paths of calls.
        let noID: String? =
            switch false {
            case isID(wabaID): "waba_id"
            case isID(phoneNumberID): "phone_number_id"
            case isID(businessID): "business_id"
            case isID(allocationConfigID): "allocation_config_id"
            default: nil
            }
        if let noID { return .failure(PoisonRow(reason: "the signup's \(noID) is not 1 to 32 digits")) }
        return .success(
            ClaimedJob(
                signupID: signupID,
                step: step,
                attempt: attempt,
                wasSent: wasSent,
                secondsUntilGiveUp: secondsUntilGiveUp,
                leaseSeconds: leaseSeconds,
                codeSecondsLeft: codeSecondsLeft ?? 0,
                signup: Signup(
                    id: signupID,
                    generation: generation,
                    flow: flow,
                    plan: plan,
                    wabaID: wabaID,
                    phoneNumberID: phoneNumberID,
                    businessID: businessID,
                    currency: currency,
                    redirectURI: redirectURI,
                    dataLocalizationRegion: region,
                    overrideCallbackURI: overrideURI,
                    testRecipient: testRecipient,
                    testMessage: testMessage,
                    allocationConfigID: allocationConfigID,
                    testMessageID: testMessageID
                ),
                secrets: .init(
                    code: code.map { Secret($0) },
                    plainPIN: pin.map { Secret($0) },
                    sealedPIN: sealedPIN,
                    sealedToken: sealedToken,
                    token: nil,
                    verifyToken: verifyToken.map { Secret($0) }
                )
            )
        )
    }
}

/// Where there is none, none is wrong.
private func isID(_ text: String?) -> Bool { text.map(Installation.isGraphID) ?? true }

/// A row of read_credit_share.sql.
struct RecordedShare: RowDecodable {
    let share: StepContext.CreditShare

    static let columnTypes: [PostgresType] = [.int8, .int4, .int4, .float8, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        let signupID: Int64 = try row.next()
        let posts: Int32 = try row.next()
        let attachments: Int32 = try row.next()
        share = .init(
            signupID: signupID,
            posts: Int(posts),
            attachments: Int(attachments),
            secondsSincePost: try row.next(),
            hasEnded: try row.next()
        )
    }
}

/// A row that no version of Embark wrote, or a later one: it is set aside with its reason and blocks nobody.
struct PoisonRow: Error, Sendable {
    let reason: String

    var problem: Problem { Problem(code: "unreadable_row", message: reason) }
}

/// What is done about a job that ended its workers, or seems to: only executions that began count.
enum Interruptions {
    /// From here on it runs alone in its process.
    static let aloneFrom = 3
    /// From here on it is not run any more.
    static let max = 5

    static let problem = Problem(
        code: "interrupted",
        message: "\(max) workers were interrupted while they ran this step: it may be what ends them"
    )
}
