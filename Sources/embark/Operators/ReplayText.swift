/// What a replay will do and what became of it, for people and for programs.
import Foundation
import Onboarding
import OnboardingRuntime

struct ReplayText {
    private static let labelColumns = 14
    /// Kinds of plans, and of refusals, that are told apart before many signups are replayed.
    private static let kindsMax = 5

    private let inputs: String

    init(_ order: ReplayOrder) {
        let inputs = [
            order.code.map { _ in "a new code" }, order.pin.map { _ in "another PIN" },
            order.mending.phoneNumberID.map { "number \($0)" },
            order.mending.currency.map { "currency \($0)" },
        ].compactMap(\.self)
        self.inputs = inputs.isEmpty ? "" : ", with " + inputs.joined(separator: " and ")
    }

    // MARK: Before it

    /// One signup's plan, as lines.
    func plan(of plan: ReplayPlan) -> [String] {
        let name = "SIGNUP \(plan.id)" + (plan.externalID.map { "  " + $0 } ?? "")
        let code = plan.errorCode.map { " with \($0)" } ?? ""
        let standing = plan.failedStep.map { "failed at \($0)\(code)" } ?? "is \(plan.state)"
        var lines = [Output.printable("REPLAY OF \(name), which \(standing)")]
        if let refusal = plan.refusal { return lines + field("Refused", refusal) }
        let done = plan.done.map { step in
            let id = step == Step.shareCreditLine.rawValue ? plan.allocationConfigID.map { "\u{A0}\($0)" } ?? "" : ""
            return step + "\u{A0}✓" + id
        }
        lines += field("Done", done.isEmpty ? "nothing" : done.joined(separator: "  "))
        if !plan.skipped.isEmpty { lines += field("Skipped", plan.skipped.joined(separator: "  ")) }
        lines += field("Will run", Self.steps(plan) + inputs)
        if let left = plan.registerCallsLeft { lines += field("Register", Self.quota(left)) }
        return lines
    }

    /// What many of them will do, by kind.
    func plan(of selection: ReplaySelection) -> [String] {
        let wanted = selection.plans.filter { $0.refusal == nil }
        let found = selection.plans.count
        var lines = ["REPLAY OF \(found) SIGNUP\(found == 1 ? "" : "S")" + inputs]
        for (text, plans) in Self.kinds(wanted, by: Self.steps) {
            lines += field("Will run", "\(text): \(Self.count(plans))")
        }
        let counted = wanted.filter { $0.registerCallsLeft != nil }
        if let least = counted.min(by: { ($0.registerCallsLeft ?? 0) < ($1.registerCallsLeft ?? 0) }) {
            lines += field("Register", Self.quota(least.registerCallsLeft ?? 0) + " for signup \(least.id), the fewest")
        }
        for (text, plans) in Self.kinds(selection.plans.filter { $0.refusal != nil }, by: { $0.refusal ?? "" }) {
            lines += field("Refused", "\(Self.count(plans)): \(text)")
        }
        if !selection.missing.isEmpty {
            lines += field("Not there", selection.missing.joined(separator: "  "))
        }
        if let more = selection.more {
            lines += field("More", "match than --max \(more): those that failed first are taken")
        }
        return lines
    }

    private static func steps(_ plan: ReplayPlan) -> String {
        plan.willRun.map { plan.runsAgain($0) ? "\($0)\u{A0}again" : $0 }.joined(separator: "  ")
    }

    private static func quota(_ left: Int) -> String {
        "\(left) of the number's \(ReplayPlan.registerCallsMax) calls in 72 h are left"
    }

    /// The commonest first, and what is rare taken together.
    private static func kinds(
        _ plans: [ReplayPlan],
        by text: (ReplayPlan) -> String
    ) -> [(String, [ReplayPlan])] {
        let groups = Dictionary(grouping: plans, by: text).sorted {
            ($1.value.count, $0.key) < ($0.value.count, $1.key)
        }
        let rest = groups.dropFirst(kindsMax).flatMap(\.value)
        return groups.prefix(kindsMax).map { ($0.key, $0.value) } + (rest.isEmpty ? [] : [("otherwise", rest)])
    }

    private static func count(_ plans: [ReplayPlan]) -> String {
        plans.count == 1 ? "signup \(plans[0].id)" : "\(plans.count) signups, the first of them \(plans[0].id)"
    }

    private func field(_ label: String, _ text: String) -> [String] {
        let columns = CardText.columns - Self.labelColumns
        let wrapped = TerminalText.wrapped(Output.printable(text), columns: columns, linesMax: 8)
        return wrapped.enumerated().map { place, line in
            let label = place == 0 ? label : ""
            let indented = label + String(repeating: " ", count: Self.labelColumns - label.count) + line
            return indented.replacing("\u{A0}", with: " ")
        }
    }

    // MARK: What becomes of each

    func line(_ result: ReplayRun.Result, of plan: ReplayPlan) -> String {
        switch result {
        case .replayed(let generation): Self.name(plan) + "runs again, as generation \(generation)"
        case .refused(let reason): Self.name(plan) + "refused: " + Output.printable(reason)
        case .failed(let reason): Self.name(plan) + "failed: " + Output.printable(reason)
        case .unknown(let reason): Self.name(plan) + "unknown: " + Output.printable(reason)
        case .notTried: Self.name(plan) + "not tried"
        }
    }

    func previewLine(of plan: ReplayPlan) -> String {
        Self.name(plan)
            + (plan.refusal.map { "would be refused: " + Output.printable($0) }
                ?? "would run " + Self.steps(plan).replacing("\u{A0}", with: " "))
    }

    func result(_ result: ReplayRun.Result, of plan: ReplayPlan) throws -> String {
        switch result {
        case .replayed(let generation):
            try Self.object(
                plan,
                [("result", "replayed"), ("from_step", plan.firstStep)],
                ["generation": "\(generation)"]
            )
        case .refused(let reason): try Self.object(plan, [("result", "refused"), ("reason", reason)])
        case .failed(let reason): try Self.object(plan, [("result", "failed"), ("reason", reason)])
        case .unknown(let reason): try Self.object(plan, [("result", "unknown"), ("reason", reason)])
        case .notTried: try Self.object(plan, [("result", "not_tried")])
        }
    }

    func preview(of plan: ReplayPlan) throws -> String {
        if let refusal = plan.refusal {
            return try Self.object(plan, [("result", "would_be_refused"), ("reason", refusal)])
        }
        return try Self.object(
            plan,
            [("result", "would_run"), ("from_step", plan.firstStep)],
            [
                "done": Self.array(plan.done), "skipped": Self.array(plan.skipped),
                "will_run": Self.array(plan.willRun),
                "register_calls_left": plan.registerCallsLeft.map { "\($0)" } ?? "null",
            ]
        )
    }

    func missing(_ reference: String) throws -> String {
        try Output.object([
            "external_id": Output.quoted(reference), "result": Output.quoted("not_found"),
            "reason": Output.quoted("no signup has this id or external id"),
        ])
    }

    private static func name(_ plan: ReplayPlan) -> String {
        "\(plan.id)  " + (plan.externalID.map { Output.printable($0) + "  " } ?? "")
    }

    private static func object(
        _ plan: ReplayPlan,
        _ texts: [(String, String?)],
        _ values: KeyValuePairs<String, String> = [:]
    ) throws -> String {
        var members = [("id", "\"\(plan.id)\""), ("external_id", try plan.externalID.map(Output.quoted) ?? "null")]
        members += try texts.map { ($0, try $1.map(Output.quoted) ?? "null") }
        members += values.map { ($0.key, $0.value) }
        return "{" + (try members.map { try Output.quoted($0.0) + ":" + $0.1 }.joined(separator: ",")) + "}"
    }

    private static func array(_ texts: [String]) throws -> String {
        "[" + (try texts.map(Output.quoted).joined(separator: ",")) + "]"
    }
}
