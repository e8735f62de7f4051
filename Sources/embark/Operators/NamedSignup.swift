/// The signup that a command's argument names.
import OnboardingRuntime
import Postgres

enum NamedSignup {
    /// - Throws: `CommandFailure` when no signup has this id or external id.
    static func find(_ reference: String, on connection: Connection) async throws -> FoundSignup {
        guard let found = try await SignupStore.find(reference, on: connection) else { throw missing(reference) }
        return found
    }

    /// - Throws: `CommandFailure` that names the signup, where the database refuses or its answer is lost.
    static func acting<Value>(on id: Int64, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as PostgresError {
            if let lost = CommandFailure(lostAnswer: error, "It may have been done or not. See: embark why \(id)") {
                throw lost
            }
            guard let refusal = error.refusal else { throw error }
            throw CommandFailure(refusal: refusal, signup: id)
        }
    }

    static func missing(_ reference: String) -> CommandFailure {
        CommandFailure(
            .noSuchThing,
            "no signup has the id or the external id \(reference). See: embark signup list"
        )
    }
}
