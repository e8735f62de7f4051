/// `embark signup list`: a page of signups, newest first.
import ArgumentParser
import Onboarding
import OnboardingRuntime
import Postgres

struct SignupListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List signups, newest first.",
        discussion: """
            A time is a length before now (90s, 15m, 24h, 3d) or ISO 8601, in UTC unless it
            names a zone. It is compared with when a signup's state last changed: when it
            was enqueued or replayed, or ended.

            EXAMPLES
              embark signup list
              embark signup list --state failed --waiting-on operator --since 24h
              embark signup list --step register_phone --error-code 133005
              embark signup list --since 2026-11-25T09:00Z --until 2026-11-25T10:30Z
              embark signup list --after 4711        the page behind signup 4711
              embark signup list -o jsonl | jq -r 'select(.generation > 1) | .id'
            """
    )

    @Option(help: "running, completed, failed or cancelled.") var state: SignupState?
    @Option(name: .customLong("waiting-on"), help: "customer or operator.") var waitingOn: Party?
    @Option(help: "Where it is, or where it stopped.", completion: StepName.completion) var step: StepName?
    @Option(name: .customLong("error-code"), help: ArgumentHelp("Such as 133005 or code_expired.", valueName: "code"))
    var errorCode: String?
    @Option(help: ArgumentHelp("The customer's account.", valueName: "id")) var waba: String?
    @Option(help: ArgumentHelp("Whose state changed then or later: 24h, 2026-11-25.", valueName: "time"))
    var since: TimeBound?
    @Option(help: ArgumentHelp("Whose state changed before then.", valueName: "time")) var until: TimeBound?
    @Option(help: ArgumentHelp("The page behind this signup.", valueName: "id")) var after: Int64?
    @Option(help: "How many, 1 to 10000.") var limit = Self.defaultLimit

    private static let defaultLimit: Int32 = 50

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if !(1...10_000).contains(limit) { throw ValidationError("--limit must be 1 to 10000.") }
        if let waba, !Installation.isGraphID(waba) { throw ValidationError("--waba must be 1 to 32 digits.") }
    }

    func run() async throws {
        let output = global.output
        var filter = SignupFilter()
        filter.state = state?.rawValue
        filter.waitingOn = waitingOn?.rawValue
        filter.step = step?.name
        filter.errorCode = errorCode
        filter.wabaID = waba
        filter.since = since?.bound
        filter.until = until?.bound
        let wanted = filter
        let signups = try await global.withConnection {
            try await SignupStore.list(wanted, after: after, limit: limit, on: $0)
        }
        guard output.format == .table else { return output.objects(signups.map(\.json.text)) }
        let rows = signups.map { signup in
            [
                "\(signup.id)", signup.externalID ?? "-", signup.wabaID ?? "-", signup.state, signup.step ?? "-",
                signup.errorCode ?? "-", signup.waitingOn ?? "-", Output.age(signup.age),
            ]
        }
        output.table(
            header: ["ID", "EXTERNAL ID", "WABA", "STATE", "STEP", "ERROR", "WAITING ON", "MOVED"],
            rows: rows,
            color: { SignupState(rawValue: $0)?.color }
        )
        if signups.count == Int(limit), let last = signups.last {
            output.note("There may be more: " + nextPage(after: last.id))
        }
    }

    /// The command for the page behind this one, with what was asked for here.
    private func nextPage(after id: Int64) -> String {
        let filters: [(String, String?)] = [
            ("--state", state?.rawValue), ("--waiting-on", waitingOn?.rawValue), ("--step", step?.name),
            ("--error-code", errorCode), ("--waba", waba), ("--since", since?.text), ("--until", until?.text),
            ("--limit", limit == Self.defaultLimit ? nil : "\(limit)"), ("--after", "\(id)"),
        ]
        return filters.reduce("embark signup list") { command, filter in
            filter.1.map { "\(command) \(filter.0) \(Output.shellWord($0))" } ?? command
        }
    }
}

/// A step by its public name.
struct StepName: ExpressibleByArgument {
    let name: String

    init?(argument: String) {
        guard let step = Step(rawValue: argument) else { return nil }
        name = step.rawValue
    }

    static var allValueStrings: [String] { Step.allCases.map(\.rawValue) }
    static var completion: CompletionKind { .list(allValueStrings) }
}

enum SignupState: String, ExpressibleByArgument, CaseIterable {
    case running, completed, failed, cancelled

    var color: Output.Color {
        switch self {
        case .running: .yellow
        case .completed: .green
        case .failed: .red
        case .cancelled: .dim
        }
    }
}

enum Party: String, ExpressibleByArgument, CaseIterable {
    case customer, `operator`
}
