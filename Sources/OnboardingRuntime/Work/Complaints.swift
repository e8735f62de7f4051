/// What keeps a fault that comes back twice a second, or with every job, from filling the log.
import Logging
import Postgres
import Synchronization

/// Says what goes wrong again and again, each no more than once in ten seconds.
final class Complaints: Sendable {
    private let logger: Logger
    private let said = Mutex<[String: ContinuousClock.Instant]>([:])
    private static let silence = Duration.seconds(10)
    private static let rememberedMax = 100

    init(_ logger: Logger) { self.logger = logger }

    func hear(_ what: String, _ body: () async throws(PostgresError) -> Void) async {
        do throws(PostgresError) {
            try await body()
        } catch {
            // The claim loop tells of a database that is away.
            guard isDue(what), !error.isConnectionLoss else { return }
            logger.warning("housekeeping failed", metadata: ["what": "\(what)", "error": "\(error)"])
        }
    }

    /// Says what an operator has to mend.
    func say(_ message: String, _ error: SealingError) {
        guard isDue(error.description) else { return }
        logger.error("\(message)", metadata: ["error": "\(error)"])
    }

    private func isDue(_ what: String) -> Bool {
        said.withLock { said in
            if let last = said[what], .now - last < Self.silence { return false }
            // What rows say must not fill the memory.
            if said.count >= Self.rememberedMax { said.removeAll() }
            said[what] = .now
            return true
        }
    }
}
