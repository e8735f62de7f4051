/// The signup that a command's argument names.
import OnboardingRuntime
import Postgres

enum NamedSignup {
    /// - Throws: `CommandFailure` when no signup has this id or external id.
    static func find(_ reference: String, on connection: Connection) async throws -> FoundSignup {
        guard let found = try await SignupStore.find(reference, on: connection) else { throw missing(reference) }
        return found
    }

    static func missing(_ reference: String) -> CommandFailure {
        CommandFailure(
            .noSuchThing,
            "no signup has the id or the external id \(reference). See: embark signup list"
        )
    }
}
