/// What is known about one signup when an operator asks why it is where it is, and its replay.
public import Onboarding
public import Postgres

extension SignupStore {
    /// The signups that a word from an alert, a log or a customer may mean, the likeliest first: an id, an external id, an
    /// account, a number, or the fbtrace id of a failed call. At most `matchesMax`.
    public static func search(
        _ word: String,
        on connection: Connection
    ) async throws(PostgresError) -> [SignupMatch] {
        try await connection.run(Queries.searchSignups(id(in: word), word))
    }

    /// As many rows as search_signups returns: that many may be all, or not.
    public static let matchesMax = 21

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
    /// `completed`. Refused when `generation`, which was seen, is not the signup's any more.
    public static func resolve(
        _ id: Int64,
        happened: Bool,
        generation: Int32,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> String {
        let call = Queries.resolveEffect(id, happened, reason, generation)
        guard let place = try await connection.run(call).first?.value else {
            throw .decoding("resolving returned nothing")
        }
        return place
    }

    /// Leaves out the step at which a signup failed. Returns that step, and the one at which it goes on, or `completed`.
    /// Refused when `generation`, which was seen, is not the signup's any more.
    public static func skip(
        _ id: Int64,
        generation: Int32,
        reason: String,
        on connection: Connection
    ) async throws(PostgresError) -> (skipped: String, goesOnAt: String) {
        // One transaction: the signup may have moved since it was found, and is locked in between.
        let (places, steps) = try await connection.atomically(
            Queries.skipStep(id, reason, generation),
            Queries.readSkipped(id)
        )
        guard let place = places.first?.value, let step = steps.first?.value else {
            throw .decoding("skipping returned nothing")
        }
        return (step, place)
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
