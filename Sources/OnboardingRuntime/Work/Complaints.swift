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

    /// Tells of a failure of the database's. While it is away everything that wants it fails: then one line says so, at any log
    /// level, with what met it first.
    func tell(
        _ what: String,
        _ error: PostgresError,
        level: Logger.Level = .warning,
        _ metadata: Logger.Metadata = [:]
    ) {
        // The process ends: nothing is wrong.
        guard error.kind != .cancelled else { return }
        var metadata = metadata
        metadata["error"] = "\(error)"
        if error.isNoAnswer {
            guard isDue("the database does not answer") else { return }
            metadata["what"] = "\(what)"
            logger.warning("the database does not answer", metadata: metadata)
        } else if isDue("\(what) \(error)") {
            logger.log(level: level, "\(what)", metadata: metadata)
        }
    }

    /// Runs what comes again by itself, and tells of its failure.
    func hear(_ what: String, _ body: () async throws(PostgresError) -> Void) async {
        do throws(PostgresError) {
            try await body()
        } catch {
            tell("housekeeping failed", error, ["of": "\(what)"])
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
