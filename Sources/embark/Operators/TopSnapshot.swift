/// What the database says of itself, in Swift's names: the object that snapshot.sql makes.
import Foundation

struct TopSnapshot: Decodable, Sendable {
    struct Signups: Decodable, Sendable {
        let running, failedCustomer, failedOperator, completed24H, cancelled24H: Int
    }

    struct Failed: Decodable, Sendable {
        let step, errorCode, waitingOn: String?
        let signups, firstSecondsAgo, lastSecondsAgo: Int
    }

    /// A step at which jobs stand, or at which something was done in the last minute.
    struct Jobs: Decodable, Sendable {
        let step: String
        let ready, scheduled, running: Int
        let oldestDueSeconds: Double
        let attemptsLastMinute, doneLastMinute: Int
    }

    struct Worker: Decodable, Sendable {
        let id, host, version: String
        let pid, inFlight: Int
        let seenSecondsAgo: Double
    }

    let signups: Signups
    let failed: [Failed]
    let jobs: [Jobs]
    let attemptsLastMinute: [String: Int]
    let workers: [Worker]

    init(json: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Self.self, from: Data(json.utf8))
    }
}
