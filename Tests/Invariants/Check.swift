/// The checks: one SQL file each, whose first line names its invariant.
import Postgres

struct Check: Sendable {
    /// The file's name.
    let name: String
    let invariant: Invariant
    let sql: String

    private init(_ invariant: Invariant, _ name: String, _ bytes: [UInt8]) {
        self.invariant = invariant
        self.name = name
        sql = Self.text(bytes)
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// A signup, and what was seen of it.
    struct Row: RowDecodable {
        let signupID: Int64?
        let seen: String

        static let columnTypes: [PostgresType] = [.int8, .text]

        init(_ row: inout RowReader) throws(PostgresError) {
            signupID = try row.next()
            seen = try row.next()
        }
    }

    static let all = [
        Check(.noSignupIsLost, "jobs", PackageResources.jobs_sql),
        Check(.noSignupIsLost, "acknowledged", PackageResources.acknowledged_sql),
        Check(.noSignupIsLost, "whose_move", PackageResources.whose_move_sql),
        Check(.noSignupIsLost, "outcomes", PackageResources.outcomes_sql),
        Check(.noStepIsSettledTwice, "settled_twice", PackageResources.settled_twice_sql),
        Check(.noStepIsSettledTwice, "overlapping", PackageResources.overlapping_sql),
        Check(.noStepIsSettledTwice, "late_results", PackageResources.late_results_sql),
        Check(.effectsHappenOnce, "exchanges", PackageResources.exchanges_sql),
        Check(.effectsHappenOnce, "tokens", PackageResources.tokens_sql),
        Check(.effectsHappenOnce, "subscriptions", PackageResources.subscriptions_sql),
        Check(.effectsHappenOnce, "credit", PackageResources.credit_sql),
        Check(.effectsHappenOnce, "register_quota", PackageResources.register_quota_sql),
        Check(.effectsHappenOnce, "register_connected", PackageResources.register_connected_sql),
        Check(.effectsHappenOnce, "messages", PackageResources.messages_sql),
        Check(.effectsHappenOnce, "completed", PackageResources.completed_sql),
        Check(.stepsKeepTheirOrder, "plan_order", PackageResources.plan_order_sql),
        Check(.secretsStaySecret, "plain_secrets", PackageResources.plain_secrets_sql),
        Check(.throttlesAreHeeded, "throttled", PackageResources.throttled_sql),
        Check(.historyStays, "append_only", PackageResources.append_only_sql),
        Check(.historyStays, "attempt_numbers", PackageResources.attempt_numbers_sql),
        Check(.historyStays, "outcome_numbers", PackageResources.outcome_numbers_sql),
    ]

    var statement: Statement<Row> { Statement("invariant_\(name)", sql) }
}
