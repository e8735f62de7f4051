/// `embark configure`: the installation row, on which SQL and every worker agree.
import ArgumentParser
import Onboarding
import OnboardingRuntime
import Postgres

struct ConfigureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configure",
        abstract: "Say what SQL and every worker must agree on; without flags, print it.",
        discussion: """
            What is not given stays as it is. A signup keeps the plan that it was enqueued
            with: a change concerns later ones.

            EXAMPLES
              embark configure --app-id 1234567890 --credit-line-id 1111111111 \\
                               --system-user-id 2222222222
              embark configure --partner-mode tech-provider --app-id 1234567890
              embark configure --currencies USD,EUR
              embark configure -o json
            """
    )

    @Option(
        name: .customLong("partner-mode"),
        help: "solution-partner or tech-provider.",
        transform: { try choice($0, "--partner-mode") }
    )
    var partnerMode: PartnerMode?

    @Option(name: .customLong("app-id"), help: "The app that Embedded Signup runs under.")
    var appID: String?

    @Option(name: .customLong("credit-line-id"), help: "The credit line that a solution partner shares.")
    var creditLineID: String?

    @Option(name: .customLong("system-user-id"), help: "Our system user, to be given access to each account.")
    var systemUserID: String?

    @Option(name: .customLong("business-id"), help: "Our own business portfolio.")
    var businessID: String?

    @Option(help: "Currencies in which the credit line may be shared, separated by commas.")
    var currencies: String?

    @Option(
        name: .customLong("credit-method"),
        help: "share-and-attach, or share-then-attach (two calls).",
        transform: { try choice($0, "--credit-method") }
    )
    var creditMethod: CreditMethod?

    @Flag(
        name: .customLong("verify-grant"),
        inversion: .prefixedNo,
        help: "Ask Graph what was granted before anything else (the default)."
    )
    var verifyGrant: Bool?

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let output = global.output
        try await global.withConnection { connection in
            let current = try await InstallationStore.read(on: connection)
            if hasChanges {
                var installation = current?.0 ?? Installation()
                change(&installation)
                let problems = installation.problems
                guard problems.isEmpty else {
                    throw CommandFailure(
                        .refused,
                        "nothing was written:\n" + problems.map { "  \($0)" }.joined(separator: "\n")
                    )
                }
                try await InstallationStore.write(installation, on: connection)
            } else if current == nil {
                throw CommandFailure(.failed, "not configured yet. See: embark configure --help")
            }
            guard let (installation, updatedAt) = try await InstallationStore.read(on: connection) else {
                throw CommandFailure(.failed, "the installation row has gone: somebody else removed it")
            }
            try show(installation, updatedAt, output)
        }
    }

    private var hasChanges: Bool {
        partnerMode != nil || appID != nil || creditLineID != nil || systemUserID != nil || businessID != nil
            || currencies != nil || creditMethod != nil || verifyGrant != nil
    }

    private func change(_ installation: inout Installation) {
        if let partnerMode { installation.partnerMode = partnerMode }
        if let appID { installation.appID = appID }
        if let creditLineID { installation.creditLineID = creditLineID }
        if let systemUserID { installation.systemUserID = systemUserID }
        if let businessID { installation.businessID = businessID }
        if let currencies {
            installation.currencies = currencies.split(separator: ",", omittingEmptySubsequences: false).map(
                String.init
            )
        }
        if let creditMethod { installation.creditMethod = creditMethod }
        if let verifyGrant { installation.verifiesGrants = verifyGrant }
    }

    private func show(_ installation: Installation, _ updatedAt: Timestamp, _ output: Output) throws {
        switch output.format {
        case .table:
            let rows = [
                ["partner mode", installation.partnerMode.rawValue],
                ["app", installation.appID],
                ["credit line", installation.creditLineID ?? "-"],
                ["system user", installation.systemUserID ?? "-"],
                ["our business", installation.businessID ?? "-"],
                ["currencies", installation.currencies.joined(separator: " ")],
                ["credit method", installation.creditMethod.rawValue],
                ["verify grant", installation.verifiesGrants ? "yes" : "no"],
                ["updated", "\(updatedAt)"],
            ]
            output.table(header: ["SETTING", "VALUE"], rows: rows)
        case .json, .jsonl:
            let text = { (value: String?) throws -> String in try value.map { try Output.quoted($0) } ?? "null" }
            output.line(
                try Output.object([
                    "partner_mode": text(installation.partnerMode.rawValue),
                    "app_id": text(installation.appID),
                    "credit_line_id": text(installation.creditLineID),
                    "system_user_id": text(installation.systemUserID),
                    "business_id": text(installation.businessID),
                    "currencies": "[" + installation.currencies.map { try text($0) }.joined(separator: ",") + "]",
                    "credit_method": text(installation.creditMethod.rawValue),
                    "verify_grant": installation.verifiesGrants ? "true" : "false",
                    "updated_at": text("\(updatedAt)"),
                ])
            )
        }
    }
}

/// A word out of a closed set. The pure module's types know nothing of command lines.
private func choice<Choice: RawRepresentable & CaseIterable>(_ word: String, _ flag: String) throws -> Choice
where Choice.RawValue == String {
    guard let choice = Choice(rawValue: word) else {
        throw ValidationError("\(flag) must be \(Choice.allCases.map(\.rawValue).joined(separator: " or ")).")
    }
    return choice
}
