/// What keeps a fault that comes back twice a second from filling the log.
import Logging
import Postgres
import Synchronization

/// Says what goes wrong in housekeeping, and no more than once in ten seconds each: it comes again twice a second.
final class Complaints: Sendable {
    private let logger: Logger
    private let said = Mutex<[String: ContinuousClock.Instant]>([:])
    private static let silence = Duration.seconds(10)

    init(_ logger: Logger) { self.logger = logger }

    func hear(_ what: String, _ body: () async throws(PostgresError) -> Void) async {
        do throws(PostgresError) {
            try await body()
        } catch {
            let isDue = said.withLock { said in
                if let last = said[what], .now - last < Self.silence { return false }
                said[what] = .now
                return true
            }
            // The claim loop tells of a database that is away.
            guard isDue, !error.isConnectionLoss else { return }
            logger.warning("housekeeping failed", metadata: ["what": "\(what)", "error": "\(error)"])
        }
    }
}
