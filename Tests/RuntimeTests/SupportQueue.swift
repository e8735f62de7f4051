/// The queue's writes for tests that hold settlements and no worker.
import Postgres

@testable import OnboardingRuntime

extension JobQueue {
    func settle(_ settlements: [Settlement]) async throws(PostgresError) -> [Lease] {
        try await settle(Self.results(settlements))
    }

    func settled(of settlements: [Settlement]) async throws(PostgresError) -> Set<Lease> {
        try await settled(of: Self.results(settlements))
    }

    func recordLate(_ settlements: [Settlement]) async throws(PostgresError) {
        try await recordLate(Self.results(settlements))
    }

    private static func results(_ settlements: [Settlement]) -> [Settler.Result] {
        settlements.map { Settler.Result(settlement: $0, leaseEnd: .now) }
    }
}
