/// A job in this worker's hands, with all that its step needs to know.
import Onboarding
import Postgres

/// The key to a job: every write that moves it carries both, and none moves it when the lease has gone.
struct Lease: Sendable, Hashable {
    let signupID: Int64
    /// Made by the claiming worker and unique for ever: its id in the high 32 bits, its own counter in the low.
    let id: Int64
}

struct ClaimedJob: Sendable {
    let signupID: Int64
    let step: Step
    let attempt: Int32
    let wasSent: Bool
    let secondsUntilGiveUp: Double?
    /// From when the claim was sent; less by the way that the answer took.
    let leaseSeconds: Double
    let codeSecondsLeft: Double
    let signup: Signup
    let creditShare: StepContext.CreditShare?
    let secrets: StoredSecrets

    /// What stands in embark.secrets. Plain where upstream handed it in, sealed where a worker wrote it.
    struct StoredSecrets: Sendable {
        let code: Secret?
        let pin: Secret?
        let sealedPIN: String?
        let sealedToken: String?
        let verifyToken: Secret?
    }
}

/// A row of claim.sql: either a job that can be run, or why this version cannot run it.
struct ClaimRow: RowDecodable {
    let signupID: Int64
    let stepName: String
    let attempt: Int32
    let job: Result<ClaimedJob, PoisonRow>

    static let columnTypes: [PostgresType] = [
        .int8, .text, .int4, .bool, .float8, .float8,
        .int4, .text, [String].postgresType, .text, .text, .text, .text,
        .text, .text, .text, .text, .text, .text, .text,
        .float8, .text, .text, .text, .text, .text, .int8, .int4, .float8,
    ]

    init(_ row: inout RowReader) throws(PostgresError) {
        signupID = try row.next()
        stepName = try row.next()
        attempt = try row.next()
        let wasSent: Bool = try row.next()
        let secondsUntilGiveUp: Double? = try row.next()
        let leaseSeconds: Double = try row.next()
        let generation: Int32? = try row.next()
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
        let code: String? = try row.next()
        let pin: String? = try row.next()
        let sealedPIN: String? = try row.next()
        let sealedToken: String? = try row.next()
        let verifyToken: String? = try row.next()
        let shareSignupID: Int64? = try row.next()
        let sharePosts: Int32? = try row.next()
        let shareAge: Double? = try row.next()

        guard let generation, let flowName, let stepNames else {
            job = .failure(PoisonRow(reason: "the job's signup does not exist"))
            return
        }
        guard let step = Step(rawValue: stepName) else {
            job = .failure(PoisonRow(reason: "this version of embark does not know the step"))
            return
        }
        guard let flow = Flow(rawValue: flowName) else {
            job = .failure(PoisonRow(reason: "this version of embark does not know the flow"))
            return
        }
        let plan: Plan
        do throws(MalformedPlan) {
            plan = try Plan(stepNames: stepNames)
        } catch {
            job = .failure(PoisonRow(reason: error.description))
            return
        }
        let share: StepContext.CreditShare? =
            if let shareSignupID, let sharePosts, let shareAge {
                .init(signupID: shareSignupID, posts: Int(sharePosts), secondsSincePost: shareAge)
            } else { nil }
        job = .success(
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
                creditShare: share,
                secrets: .init(
                    code: code.map { Secret($0) },
                    pin: pin.map { Secret($0) },
                    sealedPIN: sealedPIN,
                    sealedToken: sealedToken,
                    verifyToken: verifyToken.map { Secret($0) }
                )
            )
        )
    }
}

/// A row that no version of Embark wrote, or a later one: it is set aside with its reason and blocks nobody.
struct PoisonRow: Error, Sendable {
    let reason: String
}
