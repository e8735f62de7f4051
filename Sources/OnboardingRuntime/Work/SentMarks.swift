/// The marks that are committed before calls that must not be repeated: many calls, one commit.
import Onboarding
import Postgres

typealias SentMarker = Batcher<Lease, Result<JobQueue.Permission, PostgresError>>

enum SentMarks {
    /// Marks in one statement.
    private static let batchMax = 500

    static func batcher(_ queue: JobQueue) -> SentMarker {
        Batcher(batchMax: batchMax) { leases in
            do throws(PostgresError) {
                let marked = try await marked(leases, queue)
                return leases.map { .success(marked.contains($0) ? .granted : .leaseLost) }
            } catch {
                // Unknown for each of them: none may be sent, and each is left to its lease.
                return leases.map { _ in .failure(error) }
            }
        }
    }

    /// A mark whose answer was lost is set once more: that is the same mark, and a code must not be given up for it.
    private static func marked(_ leases: [Lease], _ queue: JobQueue) async throws(PostgresError) -> Set<Lease> {
        do throws(PostgresError) {
            return try await queue.markSent(leases)
        } catch {
            guard error.isConnectionLoss else { throw error }
            return try await queue.markSent(leases)
        }
    }
}
