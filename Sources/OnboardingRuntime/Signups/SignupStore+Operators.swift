/// What is known about one signup when an operator asks why it is where it is, and its replay.
public import Onboarding
public import Postgres

extension SignupStore {
    /// The card of the signup with this id or, when none has it, with this external id; nil when there is none.
    public static func card(
        of reference: String,
        on connection: Connection
    ) async throws(PostgresError) -> SignupCardFacts? {
        try await connection.run(Queries.explainSignup(id(in: reference), reference)).first
    }

    /// Lets a scope rest. Returns for how many seconds from now, which is longer where a longer pause is on.
    public static func pause(
        _ scope: Scope,
        seconds: Double,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> Double {
        let rows = try await connection.run(Queries.setPause(scope.name, seconds, reason))
        guard let left = rows.first?.value else { throw .decoding("pausing returned nothing") }
        return left
    }

    /// Ends a pause. Returns whether there was one.
    public static func resume(
        _ scope: Scope,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> Bool {
        guard let wasPaused = try await connection.run(Queries.endPause(scope.name, reason)).first?.value else {
            throw .decoding("resuming returned nothing")
        }
        return wasPaused
    }

    /// Says whether the effect happened of which nothing could tell. Returns the step at which the signup goes on, or
    /// `completed`.
    public static func resolve(
        _ id: Int64,
        happened: Bool,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> String {
        guard let place = try await connection.run(Queries.resolveEffect(id, happened, reason)).first?.value else {
            throw .decoding("resolving returned nothing")
        }
        return place
    }

    /// Leaves out the step at which a signup failed. Returns the step at which it goes on, or `completed`.
    public static func skip(
        _ id: Int64,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> String {
        guard let place = try await connection.run(Queries.skipStep(id, reason)).first?.value else {
            throw .decoding("skipping returned nothing")
        }
        return place
    }

    /// Ends a signup for good. Returns the step at which it stood; nil where it had none.
    public static func cancel(
        _ id: Int64,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> String? {
        guard let row = try await connection.run(Queries.cancelSignup(id, reason)).first else {
            throw .decoding("cancelling returned nothing")
        }
        return row.value
    }

    /// The business token as it is kept, sealed; nil while there is none, or no such signup.
    public static func sealedToken(
        of id: Int64,
        on connection: Connection
    ) async throws(PostgresError) -> String? {
        try await connection.run(Queries.readCredential(id)).first?.value
    }

    /// How the database as a whole is doing, as one JSON object.
    public static func snapshot(on connection: Connection) async throws(PostgresError) -> JSONText {
        guard let json = try await connection.run(Queries.snapshot()).first?.value else {
            throw .decoding("the snapshot returned no row")
        }
        return json
    }
}

/// The facts of a card: a row of explain_signup.
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
    /// `ready`, `scheduled` or `running`; nil without a job.
    public let jobState: String?
    /// Negative when it is overdue.
    public let dueIn: Duration?
    public let lastErrorCode: String?
    public let lastErrorMessage: String?
    public let lastHTTPStatus: Int32?
    public let lastFBTraceID: String?
    /// Calls to register the signup's number in the last 72 hours, by any signup.
    public let registerCalls: Int32
    /// What keeps its calls from being made: a limit of Meta's, our own credentials, or an operator.
    public let pause: Pause?

    public struct Pause: Sendable {
        public let scope: String
        public let reason: String
        public let left: Duration
        /// Our own credentials were refused.
        public let isCredentials: Bool
    }

    public static let columnTypes: [PostgresType] = [
        .int8, .text, .text, .text, .text, .text, .text, .text,
        .text, .text, .text, [String].postgresType, .int4, .interval,
        [String].postgresType, .text, .interval, .text, .text, .int4, .text, .int4,
        .text, .text, .interval, .bool,
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
        jobState = try row.next()
        dueIn = try row.next()
        lastErrorCode = try row.next()
        lastErrorMessage = try row.next()
        lastHTTPStatus = try row.next()
        lastFBTraceID = try row.next()
        registerCalls = try row.next()
        let pauseScope: String? = try row.next()
        let pauseReason: String? = try row.next()
        let pauseLeft: Duration? = try row.next()
        let pauseIsCredentials: Bool? = try row.next()
        pause =
            if let pauseScope, let pauseReason, let pauseLeft {
                Pause(
                    scope: pauseScope,
                    reason: pauseReason,
                    left: pauseLeft,
                    isCredentials: pauseIsCredentials == true
                )
            } else {
                nil
            }
    }
}
