/// `embark replay`: lets failed signups go on, from where they failed or from an earlier step.
import ArgumentParser
import Foundation
import Onboarding
import OnboardingRuntime
import Postgres

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Let failed signups go on, from where they failed or earlier.",
        discussion: """
            Keeps all history and starts a new generation. Prints first what is done, what
            will run, and what is left of the number's register calls. What cannot work is
            refused with what to do instead (exit 2), also in a dry run; one of many that
            is refused, or at which the database fails (exit 1), leaves the others alone,
            and each has a result. An argument can be seen by every user of
            the machine while the command runs: give the code and the PIN as - to have
            them read from standard input, a line each, the code first.

            A filter takes the signups that failed at one step with one error code, those
            that failed longest ago first. More than one signup is asked for on a terminal,
            and needs --yes elsewhere (exit 64). One that somebody else has replayed since
            its plan was made is refused.

            EXAMPLES
              embark replay 4711 --reason "Meta's outage is over"
              embark replay 4711 --pin - --reason "customer told us the PIN"
              embark replay acme-7731 --from exchange_code --code -
              embark replay 4711 --phone-number-id 106540352242922
              embark replay 4711 4712 acme-7731 --dry-run
              embark replay --state failed --step register_phone --error-code 131000 \\
                --since 24h --rate 5/s --reason "Meta's outage is over"
            """
    )

    @Argument(help: "The signups, by id or external id.") var signups: [String] = []
    @OptionGroup(title: "Filter") var filter: ReplayFilter
    @Option(help: ArgumentHelp("The step to begin with (default: the one that failed).", valueName: "step"))
    var from: String?
    @Option(help: "A new code of the customer's; - reads it from standard input.") var code: String?
    @Option(help: "Another PIN; - reads it from standard input.") var pin: String?
    @Option(name: .customLong("phone-number-id"), help: ArgumentHelp("The number that is meant.", valueName: "id"))
    var phoneNumberID: String?
    @Option(help: ArgumentHelp("The currency to share the credit line in.", valueName: "code")) var currency: String?
    @Option(help: ArgumentHelp("At most so many in a time: 5/s, 100/m.", valueName: "count/unit")) var rate: Rate?
    @Flag(name: .customLong("dry-run"), help: "Only say what would be done.") var isDryRun = false
    @Flag(help: "Do not ask.") var yes = false
    @Option(help: "Why, for the audit.") var reason = ""

    @OptionGroup var global: GlobalOptions

    private static let signupsMax = 1000

    func validate() throws {
        if let from { try StepArgument.check(from, "--from") }
        if signups.isEmpty && !filter.isGiven {
            throw ValidationError(
                "Name signups, or a filter: --state failed --step STEP --error-code CODE --since 24h."
            )
        }
        if !signups.isEmpty && filter.isGiven { throw ValidationError("Name signups or a filter, not both.") }
        if signups.count > Self.signupsMax {
            throw ValidationError("At most \(Self.signupsMax) signups can be named. Use a filter.")
        }
        if filter.isGiven { try filter.check() }
        let ofOne = [("--code", code), ("--pin", pin), ("--phone-number-id", phoneNumberID)]
        for (name, value) in ofOne where value != nil && signups.count != 1 {
            throw ValidationError("\(name) is one signup's: name that one alone.")
        }
    }

    func run() async throws {
        let order = ReplayOrder(
            from: from.flatMap(Step.init(rawValue:)),
            code: try code.map { Secret(try StandardInput.valueOrLine($0, "--code")) },
            pin: try pin.map { Secret(try StandardInput.valueOrLine($0, "--pin")) },
            mending: .init(phoneNumberID: phoneNumberID, currency: currency),
            reason: reason
        )
        try await global.withConnection { connection in
            if signups.count == 1 {
                try await replay(signups[0], order, on: connection)
            } else {
                try await replayAll(of: try await selection(order, on: connection), order, on: connection)
            }
        }
    }

    /// One signup: without a question, and a refusal is the command's.
    private func replay(_ reference: String, _ order: ReplayOrder, on connection: Connection) async throws {
        let output = global.output
        let found = try await NamedSignup.find(reference, on: connection)
        guard let plan = try await SignupStore.plans(of: [found.id], order, on: connection).first else {
            throw NamedSignup.missing(reference)
        }
        let text = ReplayText(order)
        if output.format == .table, isDryRun || plan.refusal == nil {
            for line in text.plan(of: plan) { output.line(line) }
        }
        if isDryRun {
            if output.format != .table { output.line(try text.preview(of: plan)) }
            if plan.refusal != nil { throw CommandFailure(.refused, nil) }
            return
        }
        let generation = try await NamedSignup.acting(on: plan.id) {
            try await SignupStore.replay(plan, order, on: connection)
        }
        switch output.format {
        case .table: output.line("It runs again, as generation \(generation). See: embark why \(plan.id)")
        case .json, .jsonl: output.line(try text.result(.replayed(generation: generation), of: plan))
        }
    }

    private func selection(_ order: ReplayOrder, on connection: Connection) async throws -> ReplaySelection {
        if let failed = filter.failedSignups {
            let (ids, hasMore) = try await SignupStore.find(failed, max: filter.maxCount, on: connection)
            let plans = try await SignupStore.plans(of: ids, order, on: connection)
            return ReplaySelection(plans: plans, more: hasMore ? filter.maxCount : nil)
        }
        var ids: [Int64] = []
        var missing: [String] = []
        for reference in signups {
            if let found = try await SignupStore.find(reference, on: connection) {
                // By its id and by its external id it is still one.
                if !ids.contains(found.id) { ids.append(found.id) }
            } else {
                missing.append(reference)
            }
        }
        return ReplaySelection(plans: try await SignupStore.plans(of: ids, order, on: connection), missing: missing)
    }

    private func replayAll(
        of selection: ReplaySelection,
        _ order: ReplayOrder,
        on connection: Connection
    ) async throws {
        let text = ReplayText(order)
        if global.output.format == .table {
            for line in text.plan(of: selection) { global.output.line(line) }
        }
        let wanted = selection.plans.filter { $0.refusal == nil }
        if wanted.count > 1, !isDryRun, !yes { try confirm(wanted.count) }
        let report = ReplayReport(
            global.output,
            text,
            total: selection.plans.count + selection.missing.count,
            isDryRun: isDryRun
        )
        for reference in selection.missing { try report.missing(reference) }
        for plan in selection.plans where plan.refusal != nil || isDryRun { try report.preview(plan) }
        // Whatever ends it, what is known by then is told.
        defer { report.end() }
        if !isDryRun {
            let lost = try await ReplayRun(order, perSecond: rate?.perSecond)
                .run(wanted, on: connection) { try report.result($1, of: $0) }
            if report.failed > 0 {
                throw CommandFailure(.failed, lost.map { "\($0)\nRun it again: what runs already is left alone." })
            }
        }
        if report.refused > 0 { throw CommandFailure(.refused, nil) }
    }

    /// - Throws: `CommandFailure` when nobody can be asked, or the answer is not the number.
    private func confirm(_ count: Int) throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw CommandFailure(
                .usage,
                "\(count) signups would be replayed: without a terminal that needs --yes. See them with --dry-run"
            )
        }
        let question = "Type \(count) to replay them, anything else to leave them: "
        StandardStreams.err(question)
        guard readLine()?.trimmingCharacters(in: .whitespaces) == "\(count)" else {
            throw CommandFailure(.refused, "nothing was replayed: the answer was not \(count)")
        }
    }
}

/// What a filter selects, or what was named.
struct ReplaySelection {
    let plans: [ReplayPlan]
    /// Names of no signup.
    var missing: [String] = []
    /// The limit that left some out.
    var more: Int?
}

enum StepArgument {
    static func check(_ text: String, _ flag: String) throws {
        if Step(rawValue: text) == nil {
            throw ValidationError(
                "\(flag) must be a step: \(Step.allCases.map(\.rawValue).joined(separator: ", "))."
            )
        }
    }
}
