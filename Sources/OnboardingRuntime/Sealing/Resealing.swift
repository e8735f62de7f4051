/// Brings every stored value under the key ring's first key, a batch at a time, while workers go on.
///
/// It is done when a pass over all signups has opened every value and found each under the first key. There is no state but
/// the values themselves: one that is interrupted is begun again and only opens what the last one has done.
import Onboarding
public import Postgres

public struct Resealing: Sendable {
    /// Signups read, and resealed, in one statement.
    public static let signupsMax: Int32 = 500
    /// Passes until it gives up on values that change under its hands: a worker seals with another key.
    static let passesMax = 10

    private let ring: KeyRing
    private let connection: Connection

    public init(ring: KeyRing, connection: Connection) {
        self.ring = ring
        self.connection = connection
    }

    /// What a pass over all sealed values found, or several.
    public struct Report: Sendable {
        /// Sealed values at the last pass.
        public internal(set) var values = 0
        /// How many of them each key opened, by its id.
        public internal(set) var opened: [String: Int] = [:]
        /// Brought under the first key, in all passes.
        public internal(set) var resealed = 0
        /// Under another key still at the last pass: held or changed by a worker just then.
        public internal(set) var left = 0
        /// What no key opens; the first few by name.
        public internal(set) var unopenedCount = 0
        public internal(set) var unopened: [Unopened] = []

        static let unopenedMax = 20
    }

    /// A value that no key of the ring opens.
    public struct Unopened: Sendable {
        public let signupID: Int64
        public let purpose: SealedPurpose
        public let reason: SealingError
    }

    /// Opens every value and changes none.
    public func look(progress: (Double) -> Void = { _ in }) async throws(PostgresError) -> Report {
        var report = Report()
        try await pass(into: &report, writes: false, progress)
        return report
    }

    /// Reseals until a pass finds nothing to do.
    ///
    /// - Parameter progress: told after each batch which pass it is, from 1, and how far that has come, 0 to 1.
    public func run(progress: (Int, Double) -> Void = { _, _ in }) async throws(PostgresError) -> Report {
        var resealed = 0
        var number = 1
        while true {
            var report = Report()
            try await pass(into: &report, writes: true) { progress(number, $0) }
            resealed += report.resealed
            if (report.resealed == 0 && report.left == 0) || number == Self.passesMax {
                report.resealed = resealed
                return report
            }
            number += 1
        }
    }

    private func pass(
        into report: inout Report,
        writes: Bool,
        _ progress: (Double) -> Void
    ) async throws(PostgresError) {
        var after = Int64.min
        while true {
            let rows = try await connection.run(Queries.readSealed(after, Self.signupsMax))
            var changes = Changes()
            for row in rows {
                let token = row.token.flatMap { examine($0, row.signupID, .token, &report) }
                let pin = row.pin.flatMap { examine($0, row.signupID, .pin, &report) }
                if token != nil || pin != nil { changes.append(row, token: token, pin: pin) }
            }
            if writes, changes.values > 0 {
                let resealed = Int(try await connection.run(changes.call).first?.value ?? 0)
                report.resealed += resealed
                report.left += changes.values - resealed
            } else {
                report.left += changes.values
            }
            guard let last = rows.last else { break }
            progress(KeyUsage.share(of: last.signupID, in: last.lastSignupID))
            guard rows.count == Int(Self.signupsMax) else { break }
            after = last.signupID
        }
    }

    /// Opens a value and returns it sealed anew, where another key has sealed it.
    private func examine(
        _ sealed: String,
        _ signupID: Int64,
        _ purpose: SealedPurpose,
        _ report: inout Report
    ) -> String? {
        report.values += 1
        do throws(SealingError) {
            let isDone = ring.isUnderFirstKey(sealed, signupID: signupID, purpose: purpose)
            let opened = try ring.openNamingKey(sealed, signupID: signupID, purpose: purpose)
            report.opened[opened.keyID, default: 0] += 1
            return isDone ? nil : try ring.seal(opened.secret, signupID: signupID, purpose: purpose)
        } catch {
            report.unopenedCount += 1
            if report.unopened.count < Report.unopenedMax {
                report.unopened.append(Unopened(signupID: signupID, purpose: purpose, reason: error))
            }
            return nil
        }
    }

    /// The columns of one reseal.sql.
    private struct Changes {
        private(set) var values = 0
        private var signupIDs: [Int64] = []
        private var oldTokens = TextColumn()
        private var newTokens = TextColumn()
        private var oldPINs = TextColumn()
        private var newPINs = TextColumn()

        mutating func append(_ row: SealedRow, token: String?, pin: String?) {
            signupIDs.append(row.signupID)
            oldTokens.append(token == nil ? nil : row.token)
            newTokens.append(token)
            oldPINs.append(pin == nil ? nil : row.pin)
            newPINs.append(pin)
            values += (token == nil ? 0 : 1) + (pin == nil ? 0 : 1)
        }

        var call: Call<Single<Int32>> {
            Queries.reseal(signupIDs, oldTokens, newTokens, oldPINs, newPINs)
        }
    }
}
