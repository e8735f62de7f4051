/// What rests at this moment, as this process knows it: read from embark.throttles, and written there as soon as an answer
/// demands it. Beside it the usage that Graph's headers tell, by which calls are let through more seldom near a limit.
import Onboarding
import Postgres
import Synchronization

/// A row of list_throttles.sql.
struct ThrottleRow: RowDecodable {
    let scope: String
    let seconds: Double
    let reason: String
    let isCredentials: Bool

    static let columnTypes: [PostgresType] = [.text, .float8, .text, .bool]

    init(_ row: inout RowReader) throws(PostgresError) {
        scope = try row.next()
        seconds = try row.next()
        reason = try row.next()
        isCredentials = try row.next()
    }
}

/// Why something rests, as the database has it.
enum PauseReason {
    /// Whether somebody has set the pause with embark.pause, which begins its reason like this. All others are Graph's, and to
    /// call it before the end that it named lengthens the block.
    static func isByHand(_ reason: String) -> Bool { reason.hasPrefix("paused by ") }
}

final class ThrottleBoard: Sendable {
    struct Pause: Sendable, Equatable {
        let scope: Scope
        let until: ContinuousClock.Instant
        let reason: String
        var isCredentials = false
        /// When this process has met the limit itself; nil for what the database said.
        var notedAt: ContinuousClock.Instant?
        /// What the database has yet to be told of it.
        var untold: Throttle?
    }

    private struct State {
        var pauses: [Scope: Pause] = [:]
        /// When the database was asked for them.
        var askedAt = ContinuousClock.now
        var usage: [Scope: (percent: Int, at: ContinuousClock.Instant)] = [:]
    }

    private let state = Mutex(State())
    /// What a header said holds so long: the limits are of a moving hour, and a scope that is not called tells nothing new.
    private static let usageHolds = Duration.seconds(60)
    /// A call that is not let through near a limit comes back after so long.
    static let holdBackSeconds = 5.0
    private static let noteHolds = Duration.seconds(1)
    private static let usagesMax = 10_000

    /// Nothing that the database has learnt since is on the board.
    var askedAt: ContinuousClock.Instant { state.withLock(\.askedAt) }

    /// What the database says counts: a pause that an operator has ended is gone.
    ///
    /// - Parameter asked: when it was asked; an answer that an earlier question had is dropped.
    func replace(by rows: [ThrottleRow], asked: ContinuousClock.Instant = .now) {
        let now = ContinuousClock.now
        var pauses: [Scope: Pause] = [:]
        for row in rows {
            guard let scope = Scope(name: row.scope) else { continue }
            pauses[scope] = Pause(
                scope: scope,
                until: now + .seconds(row.seconds),
                reason: row.reason,
                isCredentials: row.isCredentials
            )
        }
        state.withLock { state in
            guard asked >= state.askedAt else { return }
            state.askedAt = asked
            // What was noted a moment ago may be on its way to the database, or could not be told to it yet.
            for (scope, pause) in state.pauses {
                guard let noted = pause.notedAt, pause.untold != nil || now - noted < Self.noteHolds else { continue }
                if pauses[scope].map({ $0.until < pause.until }) ?? true { pauses[scope] = pause }
            }
            state.pauses = pauses
        }
    }

    /// At once, before it is in the database.
    func note(_ throttle: Throttle) {
        let until = ContinuousClock.now + .seconds(throttle.seconds)
        state.withLock { state in
            if let known = state.pauses[throttle.scope], known.until >= until { return }
            state.pauses[throttle.scope] = Pause(
                scope: throttle.scope,
                until: until,
                reason: "\(throttle.code) \(throttle.message)",
                isCredentials: throttle.isCredentials,
                notedAt: .now,
                untold: throttle
            )
        }
    }

    /// The database knows of it: from here on what it says counts.
    func told(_ scope: Scope) {
        state.withLock { state in
            state.pauses[scope]?.notedAt = .now
            state.pauses[scope]?.untold = nil
        }
    }

    /// Pauses that the database has not been told of, with what is left of them.
    var untold: [Throttle] {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.pauses.values.compactMap { pause in
                guard let throttle = pause.untold, pause.until > now else { return nil }
                return Throttle(
                    pause.scope,
                    seconds: (pause.until - now) / .seconds(1),
                    isNamed: true,
                    code: throttle.code,
                    message: throttle.message,
                    isCredentials: throttle.isCredentials
                )
            }
        }
    }

    func note(_ percents: [(scope: Scope, percent: Int)]) {
        guard !percents.isEmpty else { return }
        let now = ContinuousClock.now
        state.withLock { state in
            if state.usage.count > Self.usagesMax {
                state.usage = state.usage.filter { now - $0.value.at < Self.usageHolds }
            }
            for (scope, percent) in percents { state.usage[scope] = (percent, now) }
        }
    }

    /// The pause among these scopes that ends last; nil when all are awake.
    func pause(of scopes: [Scope]) -> Pause? {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.pauses.isEmpty
                ? nil
                : scopes.compactMap { state.pauses[$0] }.filter { $0.until > now }.max { $0.until < $1.until }
        }
    }

    /// The share of calls that is let through: the smallest among the scopes', by what was said of them lately.
    func shareLetThrough(_ scopes: [Scope]) -> Double {
        let now = ContinuousClock.now
        return state.withLock { state in
            scopes.compactMap { scope in
                state.usage[scope].flatMap { now - $0.at < Self.usageHolds ? $0.percent : nil }
            }.map(Usage.shareLetThrough).min() ?? 1
        }
    }

    /// The steps that rest as a whole, so that no row of theirs is touched.
    var restingSteps: Set<Step> {
        let now = ContinuousClock.now
        return state.withLock { state in
            guard !state.pauses.isEmpty else { return [] }
            return state.pauses.values.filter { $0.until > now }.reduce(into: Set<Step>()) {
                $0.formUnion($1.scope.steps)
            }
        }
    }

    /// How long each kind of scope still rests, the longest of each; for metrics.
    var secondsByKind: [String: Double] {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.pauses.values.reduce(into: [:]) { seconds, pause in
                let left = (pause.until - now) / .seconds(1)
                guard left > 0 else { return }
                seconds[pause.scope.kind] = max(seconds[pause.scope.kind] ?? 0, left)
            }
        }
    }

    /// The highest usage of each kind of scope, from 0 on; for metrics.
    var usageByKind: [String: Double] {
        let now = ContinuousClock.now
        return state.withLock { state in
            state.usage.reduce(into: [:]) { ratios, entry in
                guard now - entry.value.at < Self.usageHolds else { return }
                ratios[entry.key.kind] = max(ratios[entry.key.kind] ?? 0, Double(entry.value.percent) / 100)
            }
        }
    }
}
