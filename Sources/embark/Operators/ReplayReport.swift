/// What became of each of many signups, as it becomes known, with a bar on a terminal and the counts at the end.
import OnboardingRuntime

final class ReplayReport {
    private let output: Output
    private let text: ReplayText
    private let total: Int
    private let isDryRun: Bool
    private let bar = ProgressBar()
    private var objects: [String] = []
    /// Replayed, or in a dry run those that would be.
    private var accepted = 0
    private(set) var refused = 0
    /// Those that the database failed at, of which nobody knows, and that were not tried.
    var failed: Int { broken + unknown + notTried }
    private var broken = 0
    private var unknown = 0
    private var notTried = 0

    init(_ output: Output, _ text: ReplayText, total: Int, isDryRun: Bool) {
        self.output = output
        self.text = text
        self.total = total
        self.isDryRun = isDryRun
    }

    func result(_ result: ReplayRun.Result, of plan: ReplayPlan) throws {
        switch result {
        case .replayed: accepted += 1
        case .refused: refused += 1
        case .failed: broken += 1
        case .unknown: unknown += 1
        case .notTried: notTried += 1
        }
        try tell(text.line(result, of: plan)) { try text.result(result, of: plan) }
    }

    /// One that is not replayed: because the plan says no, or because all of it is only tried.
    func preview(_ plan: ReplayPlan) throws {
        if let refusal = plan.refusal, !isDryRun { return try result(.refused(refusal), of: plan) }
        if plan.refusal == nil { accepted += 1 } else { refused += 1 }
        try tell(text.previewLine(of: plan)) { try text.preview(of: plan) }
    }

    func missing(_ reference: String) throws {
        refused += 1
        try tell("no signup has the id or the external id \(Output.printable(reference))") {
            try text.missing(reference)
        }
    }

    /// Once, at the end: the counts, which are no part of what a program reads.
    func end() {
        bar.end()
        if output.format == .json { output.objects(objects) }
        if output.format == .table { output.line(counts) } else { output.note(counts) }
    }

    private var counts: String {
        let rest = [(broken, "failed"), (unknown, "unknown"), (notTried, "not tried")].filter { $0.0 > 0 }
        return "\(accepted) \(isDryRun ? "would run" : "replayed"), \(refused == 0 ? "none" : "\(refused)") refused"
            + rest.map { ", \($0.0) \($0.1)" }.joined()
    }

    private func tell(_ line: @autoclosure () -> String, object: () throws -> String) rethrows {
        bar.end()
        switch output.format {
        case .table: output.line(line())
        case .json: objects.append(try object())
        case .jsonl: output.line(try object())
        }
        bar.show(counts, share: Double(accepted + refused + failed) / Double(max(total, 1)))
    }
}
