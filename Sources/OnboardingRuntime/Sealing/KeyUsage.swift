/// How many stored values each key has sealed, read off their headers: for people who may not see the values.
import Onboarding
public import Postgres

public struct KeyUsage: Sendable, Equatable {
    /// By the key's id, then by purpose.
    public private(set) var counts: [String: [SealedPurpose: Int64]] = [:]
    /// Values whose header names no key.
    public private(set) var unreadable: Int64 = 0

    /// Signups in one statement. Each counts a bounded number, so that none holds a snapshot for long.
    private static let signupsMax: Int32 = 10_000

    /// Counts from the first signup to the last that there is at the end.
    ///
    /// - Parameter progress: told after each statement how far it has come, 0 to 1.
    public static func read(
        on connection: Connection,
        progress: (Double) -> Void = { _ in }
    ) async throws(PostgresError) -> KeyUsage {
        var usage = KeyUsage()
        var after = Int64.min
        while true {
            let rows = try await connection.run(Queries.countSealed(after, signupsMax))
            guard let page = rows.first(where: { $0.purpose == nil }) else {
                throw .decoding("count_sealed returned no page")
            }
            for row in rows { usage.add(row) }
            progress(share(of: page.lastSignupID ?? 0, in: page.endSignupID ?? 0))
            guard page.count == Int64(signupsMax), let last = page.lastSignupID else { return usage }
            after = last
        }
    }

    /// How far the ids have come, 0 to 1; ids begin at 1.
    static func share(of id: Int64, in end: Int64) -> Double {
        end > 0 ? min(1, max(0, Double(id) / Double(end))) : 1
    }

    private mutating func add(_ row: SealedCount) {
        guard let purpose = row.purpose.flatMap(SealedPurpose.init(rawValue:)) else { return }
        if let header = row.header.flatMap({ SealedHeader(json: $0) }) {
            counts[header.kid, default: [:]][purpose, default: 0] += row.count
        } else {
            unreadable += row.count
        }
    }
}
