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
            EXAMPLES
              embark signup list
              embark signup list --state failed --waiting-on operator
              embark signup list --waba 102290129340398
              embark signup list --before 4711       the page behind signup 4711
              embark signup list -o jsonl | jq -r 'select(.error_code == "133005") | .id'
            """
    )

    @Option(help: "running, completed, failed or cancelled.") var state: SignupState?
    @Option(name: .customLong("waiting-on"), help: "customer or operator.") var waitingOn: Party?
    @Option(help: ArgumentHelp("The customer's account.", valueName: "id")) var waba: String?
    @Option(help: "Only signups with a smaller id than this.") var before: Int64?
    @Option(help: "How many, 1 to 10000.") var limit = Self.defaultLimit

    private static let defaultLimit: Int32 = 50

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if !(1...10_000).contains(limit) { throw ValidationError("--limit must be 1 to 10000.") }
        if let waba, !Installation.isGraphID(waba) { throw ValidationError("--waba must be 1 to 32 digits.") }
    }

    func run() async throws {
        let output = global.output
        let signups = try await global.withConnection {
            try await SignupStore.list(
                state: state?.rawValue,
                waitingOn: waitingOn?.rawValue,
                before: before,
                limit: limit,
                wabaID: waba,
                on: $0
            )
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
            output.note("There may be more: " + nextPage(before: last.id))
        }
    }

    /// The command for the page behind this one, with what was asked for here.
    private func nextPage(before id: Int64) -> String {
        var command = "embark signup list"
        if let state { command += " --state \(state.rawValue)" }
        if let waitingOn { command += " --waiting-on \(waitingOn.rawValue)" }
        if let waba { command += " --waba \(waba)" }
        if limit != Self.defaultLimit { command += " --limit \(limit)" }
        return command + " --before \(id)"
    }
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
