/// The facts of a card: a row of explain_signup.
public import Postgres

public struct SignupCardFacts: RowDecodable {
    public let id: Int64
    public let externalID: String?
    public let flow: String
    public let state: String
    /// Where it is, or where it stopped; nil when it has ended well.
    public let step: String?
    public let waitingOn: String?
    public let errorCode: String?
    public let errorMessage: String?
    public let wabaID: String?
    public let phoneNumberID: String?
    public let allocationConfigID: String?
    public let warnings: [String]
    public let generation: Int32
    /// Since the signup last moved.
    public let age: Duration
    /// The names of the plan's steps, as the database keeps them.
    public let plan: [String]
    /// Steps that an operator has left out and that have not been done since.
    public let skipped: [String]
    /// `ready`, `scheduled` or `running`; nil without a job.
    public let jobState: String?
    /// Executions of the job's step that count, so far; nil without a job.
    public let jobAttempts: Int32?
    /// Until it may be claimed, or its lease ends; negative when it is overdue.
    public let dueIn: Duration?
    public let lastError: LastError?
    /// Calls to register the signup's number in the last 72 hours, by any signup.
    public let registerCalls: Int32
    /// From when on a replay may call to register again; nil when it may now.
    public let registerFree: Later?
    /// What keeps its calls from being made: a limit of Meta's, our own credentials, or an operator. Of a failed signup what
    /// would keep those of the step at which it failed: its account's or its number's pause.
    public let pause: Pause?
    public let cancelledBy: String?
    public let cancelReason: String?

    /// The last attempt of this generation that ended with an error.
    public struct LastError: Sendable {
        public let step: String
        public let code: String
        public let message: String?
        public let httpStatus: Int32?
        public let fbtraceID: String?
    }

    /// A moment to come, by the database's clock.
    public struct Later: Sendable {
        public let at: Timestamp
        public let left: Duration
    }

    public struct Pause: Sendable {
        public let scope: String
        public let reason: String
        /// nil for a pause without an end.
        public let end: Later?
        /// Our own credentials were refused.
        public let isCredentials: Bool
    }

    public static let columnTypes: [PostgresType] = [
        .int8, .text, .text, .text, .text, .text, .text, .text,
        .text, .text, .text, [String].postgresType, .int4, .interval,
        [String].postgresType, [String].postgresType, .text, .int4, .interval, .text, .text, .text, .int4, .text,
        .int4, .timestamptz, .interval,
        .text, .text, .timestamptz, .interval, .bool, .text, .text,
    ]

    public init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        externalID = try row.next()
        flow = try row.next()
        state = try row.next()
        step = try row.next()
        waitingOn = try row.next()
        errorCode = try row.next()
        errorMessage = try row.next()
        wabaID = try row.next()
        phoneNumberID = try row.next()
        allocationConfigID = try row.next()
        warnings = try row.next()
        generation = try row.next()
        age = try row.next()
        plan = try row.next()
        skipped = try row.next()
        jobState = try row.next()
        jobAttempts = try row.next()
        dueIn = try row.next()
        lastError = try LastError(&row)
        registerCalls = try row.next()
        registerFree = try Later(&row)
        pause = try Pause(&row)
        cancelledBy = try row.next()
        cancelReason = try row.next()
    }
}

extension SignupCardFacts.LastError {
    fileprivate init?(_ row: inout RowReader) throws(PostgresError) {
        let step: String? = try row.next()
        let code: String? = try row.next()
        message = try row.next()
        httpStatus = try row.next()
        fbtraceID = try row.next()
        guard let step, let code else { return nil }
        self.step = step
        self.code = code
    }
}

extension SignupCardFacts.Later {
    fileprivate init?(_ row: inout RowReader) throws(PostgresError) {
        let at: Timestamp? = try row.next()
        let left: Duration? = try row.next()
        guard let at, let left else { return nil }
        self.at = at
        self.left = left
    }
}

extension SignupCardFacts.Pause {
    fileprivate init?(_ row: inout RowReader) throws(PostgresError) {
        let scope: String? = try row.next()
        let reason: String? = try row.next()
        end = try SignupCardFacts.Later(&row)
        let isCredentials: Bool? = try row.next()
        guard let scope, let reason else { return nil }
        self.scope = scope
        self.reason = reason
        self.isCredentials = isCredentials == true
    }
}
