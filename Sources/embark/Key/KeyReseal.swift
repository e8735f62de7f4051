/// `embark key rotate` without a step's flag: reseals, verifies, and says what is left.
import Foundation
import OnboardingRuntime

struct KeyReseal {
    let ring: KeyRing
    let global: GlobalOptions

    func run() async throws {
        let bar = ProgressBar()
        let first = ring.keyIDs.first ?? ""
        let (report, holders, ended) = try await global.withConnection { connection in
            let before = try await KeyHolder.all(on: connection)
            // A worker without the key could go on with no signup whose token is resealed.
            try KeyHolders(before).requireAllHave(first)
            let report = try await Resealing(ring: ring, connection: connection).run { pass, share in
                bar.show(
                    pass == 1 ? "resealing" : "verifying, pass \(pass)",
                    share: pass == 1 ? share / 2 : 0.5 + share / 2
                )
            }
            let after = try await KeyHolder.all(on: connection)
            return (report, after, KeyHolders.ended(before, after))
        }
        bar.end()
        let others = holders.filter { $0.keyIDs.first != first }
        // What such a worker sealed last may be behind the pass.
        let endedOthers = ended.filter { $0.keyIDs.first != first }
        let isDone = report.left == 0 && report.unopenedCount == 0 && others.isEmpty && endedOthers.isEmpty
        let free = isDone ? ring.keyIDs.dropFirst().filter { report.opened[$0] == nil } : []
        let output = global.output
        switch output.format {
        case .table:
            output.line("Key         \(first) seals")
            output.line(
                "Sealed      \(report.values) values, \(report.opened[first] ?? 0) open with it; \(report.resealed) resealed now"
            )
            output.line("Left        \(report.left == 0 ? "none" : "\(report.left) values that workers were changing")")
            if report.unopenedCount > 0 { output.line("Unopened    \(report.unopenedCount) values that no key opens") }
            for line in Self.lines(of: report.unopened) { output.line("            " + line) }
            output.line("Workers     \(holders.count - others.count) of \(holders.count) seal with it")
            for other in others.prefix(5) {
                output.line(
                    "            \(other.name) seals with \(other.keyIDs.first ?? "a key that it does not tell")"
                )
            }
            for other in endedOthers.prefix(5) {
                output.line(
                    "            \(other.name) has ended meanwhile and sealed with \(other.keyIDs.first ?? "a key that it did not tell")"
                )
            }
            output.line("Next        " + Self.next(report, others, isOnceMore: !endedOthers.isEmpty, free))
        case .json, .jsonl:
            output.line(
                try Output.object([
                    "key_id": Output.quoted(first), "values": "\(report.values)", "resealed": "\(report.resealed)",
                    "left": "\(report.left)", "unopened": "\(report.unopenedCount)",
                    "unopened_signups": "[\(report.unopened.map { "\"\($0.signupID)\"" }.joined(separator: ","))]",
                    "workers": "\(holders.count)", "workers_sealing_otherwise": "\(others.count)",
                    "ended_workers_sealing_otherwise": "\(endedOthers.count)",
                    "droppable": "[\(try free.map { try Output.quoted($0) }.joined(separator: ","))]",
                ])
            )
        }
        if !isDone { throw CommandFailure(.failed, nil) }
    }

    private static func next(
        _ report: Resealing.Report,
        _ others: [KeyHolder],
        isOnceMore: Bool,
        _ free: [String]
    ) -> String {
        if !others.isEmpty { return "restart those workers with this ring, then: embark key rotate" }
        if report.left > 0 || isOnceMore { return "embark key rotate, once more" }
        if report.unopenedCount > 0 { return "see each with embark why ID; a replay with --code or --pin replaces it" }
        if let key = free.first { return "embark key rotate --drop \(key)" }
        return "nothing: the ring has one key and all is sealed with it"
    }

    /// The first of what no key opens, one line each: the signup, never the value.
    static func lines(of unopened: [Resealing.Unopened]) -> [String] {
        unopened.map { "signup \($0.signupID), \($0.purpose.rawValue): \($0.reason)" }
    }
}
