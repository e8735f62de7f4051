/// Signups from outside: enqueue them, list them, look at one.
public import Postgres

public enum SignupStore {
    /// Enqueues one signup and returns its id.
    public static func enqueue(_ input: SignupInput, on connection: Connection) async throws(PostgresError) -> Int64 {
        let rows = try await connection.run(
            Queries.enqueueSignup(
                input.code,
                input.wabaID,
                input.phoneNumberID,
                input.businessID,
                input.currency,
                input.externalID,
                input.flow,
                input.pin,
                input.testRecipient,
                input.testMessage,
                input.codeIssuedAt,
                input.redirectURI,
                input.dataLocalizationRegion,
                input.webhookOverride,
                input.metadata
            )
        )
        guard let id = rows.first?.value else { throw .decoding("the inbox returned no id") }
        return id
    }

    /// Enqueues JSON objects, one a signup, in one round trip. Each commits on its own: one that is refused leaves the
    /// others alone. Outcomes in the order of the lines.
    public static func enqueue(
        jsonLines lines: [String],
        on connection: Connection
    ) async -> [Result<EnqueuedLine, PostgresError>] {
        let problems = lines.map(JSONLine.problem)
        let calls = zip(lines, problems).filter { $0.1 == nil }.map { Queries.enqueueJSON(JSONText($0.0)) }
        var results = await connection.each(calls, deadline: .seconds(60))[...]
        return problems.map { problem in
            if let problem { return .success(EnqueuedLine(problem: problem)) }
            guard let result = results.popFirst() else { return .failure(.decoding("fewer results than lines")) }
            return result.flatMap { rows in
                rows.first.map { .success($0) } ?? .failure(.decoding("the inbox returned no row"))
            }
        }
    }

    /// A page of signups, newest first.
    ///
    /// - Parameters:
    ///   - after: the last one of the page before; nil for the first page.
    ///   - limit: 1 to 10,000.
    public static func list(
        _ filter: SignupFilter,
        after: Int64?,
        limit: Int32,
        on connection: Connection
    ) async throws(PostgresError) -> [ListedSignup] {
        try await connection.run(
            Queries.listSignups(
                filter.state,
                filter.waitingOn,
                filter.step,
                filter.errorCode,
                filter.wabaID,
                filter.since?.seconds,
                filter.since?.moment,
                filter.until?.seconds,
                filter.until?.moment,
                after,
                limit
            )
        )
    }

    /// The signup with this id or, when none has it, with this external id; nil when there is none.
    public static func find(_ reference: String, on connection: Connection) async throws(PostgresError) -> FoundSignup?
    {
        try await connection.run(Queries.findSignup(id(in: reference), reference)).first
    }

    /// "007" and "+7" are external ids: an id is written in one way only.
    static func id(in reference: String) -> Int64? {
        Int64(reference).flatMap { String($0) == reference ? $0 : nil }
    }

    /// The latest attempts of a signup, newest first.
    public static func attempts(
        of id: Int64,
        limit: Int32,
        on connection: Connection
    ) async throws(PostgresError) -> [ListedAttempt] {
        try await connection.run(Queries.listAttempts(id, limit))
    }
}

/// What became of one JSON line.
public struct EnqueuedLine: RowDecodable {
    /// nil when the line was refused before it came to the rules of a signup.
    public let id: Int64?
    public let problem: String?

    public static let columnTypes: [PostgresType] = [.int8, .text]

    /// One that was not sent.
    init(problem: String) {
        id = nil
        self.problem = problem
    }

    public init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        problem = try row.next()
    }
}

/// A line of `embark signup list`.
public struct ListedSignup: RowDecodable {
    public let id: Int64
    public let externalID: String?
    public let wabaID: String?
    public let state: String
    public let step: String?
    public let waitingOn: String?
    public let errorCode: String?
    /// Since the signup last moved.
    public let age: Duration
    /// The whole row of embark.signup_status, ids as strings.
    public let json: JSONText

    public static let columnTypes: [PostgresType] = [
        .int8, .text, .text, .text, .text, .text, .text, .interval, .jsonb,
    ]

    public init(_ row: inout RowReader) throws(PostgresError) {
        id = try row.next()
        externalID = try row.next()
        wabaID = try row.next()
        state = try row.next()
        step = try row.next()
        waitingOn = try row.next()
        errorCode = try row.next()
        age = try row.next()
        json = try row.next()
    }
}

/// All that is public about one signup.
public struct FoundSignup: RowDecodable {
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
    public let businessID: String?
    public let allocationConfigID: String?
    public let testMessageID: String?
    public let warnings: [String]
    public let generation: Int32
    public let createdAt: Timestamp
    public let updatedAt: Timestamp
    /// Since the signup last moved.
    public let age: Duration
    /// The names of the plan's steps, as the database keeps them.
    public let plan: [String]
    /// `ready`, `scheduled` or `running`; nil without a job.
    public let jobState: String?
    public let dueAt: Timestamp?
    public let lastErrorCode: String?
    public let lastErrorMessage: String?
    /// When the business token ends; nil for one without an end, and before there is one.
    public let tokenExpiresAt: Timestamp?
    public let json: JSONText

    public static let columnTypes: [PostgresType] = [
        .int8, .text, .text, .text, .text, .text, .text, .text,
        .text, .text, .text, .text, .text, [String].postgresType, .int4,
        .timestamptz, .timestamptz, .interval,
        [String].postgresType, .text, .timestamptz, .text, .text, .timestamptz, .jsonb,
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
        businessID = try row.next()
        allocationConfigID = try row.next()
        testMessageID = try row.next()
        warnings = try row.next()
        generation = try row.next()
        createdAt = try row.next()
        updatedAt = try row.next()
        age = try row.next()
        plan = try row.next()
        jobState = try row.next()
        dueAt = try row.next()
        lastErrorCode = try row.next()
        lastErrorMessage = try row.next()
        tokenExpiresAt = try row.next()
        json = try row.next()
    }
}

/// A row of a signup's history.
public struct ListedAttempt: RowDecodable {
    public let generation: Int32
    public let step: String
    public let attempt: Int32
    public let verdict: String
    public let finishedAt: Timestamp
    public let took: Duration
    public let errorCode: String?
    public let errorMessage: String?
    public let json: JSONText

    public static let columnTypes: [PostgresType] = [
        .int4, .text, .int4, .text, .timestamptz, .interval, .text, .text, .jsonb,
    ]

    public init(_ row: inout RowReader) throws(PostgresError) {
        generation = try row.next()
        step = try row.next()
        attempt = try row.next()
        verdict = try row.next()
        finishedAt = try row.next()
        took = try row.next()
        errorCode = try row.next()
        errorMessage = try row.next()
        json = try row.next()
    }
}
