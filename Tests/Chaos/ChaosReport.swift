/// What a run has shown, for a person and as JSON.
import Foundation
import OnboardingRuntime
import Synchronization

/// What the acts of a run measure on their way.
final class Measured: Sendable {
    struct Values: Sendable {
        /// Steps a second without kills and with them, a pair a round.
        var compared: [(calm: Double, killed: Double)] = []
        /// Seconds since the storm began, and steps done.
        var progress: [(seconds: Double, steps: Int)] = []
        var stormSeconds = 0.0
    }

    private let values = Mutex(Values())

    var all: Values { values.withLock(\.self) }
    func note(_ change: (inout Values) -> Void) { values.withLock { change(&$0) } }
}

struct ChaosReport: Sendable {
    /// Of a run's end, read from the database and the ledger.
    struct Facts: Sendable {
        var signups = 0
        /// Completed in their first generation: no operator and no second popup.
        var completedAlone = 0
        var completed = 0
        var failed = 0
        var running = 0
        var steps = 0
        var attempts = 0
        var calls = 0
        var spoiledCalls = 0
        /// Why signups failed: step, code, whose move it is.
        var reasons: [(reason: String, count: Int)] = []
    }

    let plan: ChaosPlan
    let facts: Facts
    let measured: Measured.Values
    let tally: Tally
    let broken: [String]
    /// Reasons why the run is not what was asked for, though nothing may be lost.
    let shortfalls: [String]
    let resources: ResourceReport
    let directory: String

    var isGood: Bool { broken.isEmpty && shortfalls.isEmpty }

    /// The middle one of the rounds; nil where none was made.
    static func keptUnderKills(_ measured: Measured.Values) -> Double? {
        let ratios = measured.compared.map { $0.killed / max($0.calm, 1) }.sorted()
        return ratios.isEmpty ? nil : ratios[ratios.count / 2]
    }

    var table: String {
        var rows: [(String, String)] = [
            ("seed", "\(plan.seed)"),
            ("storm", "\(Int(measured.stormSeconds)) s, \(plan.workers) workers: \(faultNames)"),
            ("struck", "\(tally)"),
            ("calls to Graph", "\(facts.calls), \(percent(facts.spoiledCalls, facts.calls)) at fault"),
            ("steps", "\(facts.steps) done in \(facts.attempts) attempts"),
            (
                "signups",
                "\(facts.signups): \(percent(facts.completedAlone, facts.signups)) completed by themselves, "
                    + "\(facts.completed - facts.completedAlone) after a replay or a renewal, \(facts.failed) failed, "
                    + "\(facts.running) still running"
            ),
        ]
        if !facts.reasons.isEmpty {
            rows.append(("failed for", facts.reasons.map { "\($0.count) \($0.reason)" }.joined(separator: "; ")))
        }
        if let kept = Self.keptUnderKills(measured) {
            let rounds = measured.compared.map { String(format: "%.2f", $0.killed / max($0.calm, 1)) }
            rows.append(
                ("under kills", String(format: "%.2f", kept) + " of calm (\(rounds.joined(separator: ", ")))")
            )
        }
        rows.append(("a worker's peak", resources.peaks))
        rows += resources.rows
        let width = rows.map(\.0.count).max() ?? 0
        var lines = rows.map { $0.0.padding(toLength: width + 2, withPad: " ", startingAt: 0) + $0.1 }
        lines += broken.map { "\nBROKEN: " + $0 } + shortfalls.map { "\nNOT REACHED: " + $0 }
        lines.append(
            isGood
                ? "\nEvery invariant held: nothing was lost, nothing was doubled."
                : "\nLogs, ledger and arguments: \(directory)\nRun it again: scripts/chaos --seed \(plan.seed)"
        )
        return lines.joined(separator: "\n")
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return String(decoding: try encoder.encode(JSONForm(self)), as: UTF8.self)
        }
    }

    private var faultNames: String { plan.troubles.map(\.rawValue).sorted().joined(separator: ", ") }
}

private func percent(_ part: Int, _ whole: Int) -> String {
    String(format: "%.1f %%", 100 * Double(part) / Double(max(whole, 1)))
}

private struct JSONForm: Encodable {
    let seed: UInt64
    let faults: [String]
    let workers: Int
    let stormSeconds: Double
    let strikes: [String: Int]
    let calls: Int
    let spoiledCalls: Int
    let steps: Int
    let attempts: Int
    let signups: Int
    let completedAlone: Int
    let completed: Int
    let failed: Int
    let running: Int
    let calmStepsPerSecond: [Double]
    let killedStepsPerSecond: [Double]
    let broken: [String]
    let shortfalls: [String]
    let good: Bool

    init(_ report: ChaosReport) {
        seed = report.plan.seed
        faults = report.plan.troubles.map(\.rawValue).sorted()
        workers = report.plan.workers
        stormSeconds = report.measured.stormSeconds
        strikes = report.tally.all
        calls = report.facts.calls
        spoiledCalls = report.facts.spoiledCalls
        steps = report.facts.steps
        attempts = report.facts.attempts
        signups = report.facts.signups
        completedAlone = report.facts.completedAlone
        completed = report.facts.completed
        failed = report.facts.failed
        running = report.facts.running
        calmStepsPerSecond = report.measured.compared.map(\.calm)
        killedStepsPerSecond = report.measured.compared.map(\.killed)
        broken = report.broken
        shortfalls = report.shortfalls
        good = report.isGood
    }
}
