/// `embark signup add`: enqueues one signup from flags, or many from JSON lines.
import ArgumentParser
import Foundation
import OnboardingRuntime
import Postgres

struct SignupAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Enqueue one signup from flags, or many from JSON lines.",
        discussion: """
            The fields and their rules are those of embark.enqueue_signup. A code lives 30
            seconds from when Meta issued it. An argument can be seen by every user of the
            machine while the command runs: give the code and the PIN as - to have them
            read from standard input, a line each, the code first.

            With --json-lines each line is an object with the fields as keys, of at most
            1 MiB, and is enqueued on its own: a bad line is reported by its number and
            leaves the others alone (exit 2 at the end). With an external_id in each line
            it is safe to run again.

            EXAMPLES
              printf '%s\\n' "$CODE" | embark signup add --code - --currency USD \\
                  --waba-id 102290129340398 --external-id acme-7731
              embark signup add --json-lines signups.jsonl
              jq -c '.[]' signups.json | embark signup add --json-lines - -o jsonl
            """
    )

    @Option(help: "The popup's code; - reads it from standard input.") var code: String?
    @Option(name: .customLong("waba-id"), help: "The customer's account.") var wabaID: String?
    @Option(name: .customLong("phone-number-id"), help: "The customer's number.") var phoneNumberID: String?
    @Option(name: .customLong("business-id"), help: "The customer's business portfolio.") var businessID: String?
    @Option(help: "The currency in which the credit line is shared.") var currency: String?
    @Option(name: .customLong("external-id"), help: "Your own key: the same one twice is one signup.")
    var externalID: String?
    @Option(
        help: "cloud_api (the default), only_waba, coexistence or api_access_only.",
        completion: .list(["cloud_api", "only_waba", "coexistence", "api_access_only"])
    )
    var flow: String?
    @Option(help: "The number's PIN; - reads it from standard input. Made when absent.") var pin: String?
    @Option(name: .customLong("test-recipient"), help: "Sends a test message there: +16505551234.")
    var testRecipient: String?
    @Option(name: .customLong("test-message"), help: "The text of the test message.") var testMessage: String?
    @Option(name: .customLong("code-issued-at"), help: "When Meta issued the code, ISO 8601 (default: now).")
    var codeIssuedAt: String?
    @Option(name: .customLong("redirect-uri"), help: "Only for codes of the redirect dialog.") var redirectURI: String?
    @Option(name: .customLong("data-localization-region"), help: "A country code such as DE.")
    var dataLocalizationRegion: String?
    @Option(name: .customLong("webhook-override"), help: "JSON: override_callback_uri and verify_token.")
    var webhookOverride: String?
    @Option(help: "A JSON object that every outcome gives back.") var metadata: String?
    @Option(
        name: .customLong("json-lines"),
        help: ArgumentHelp(
            "Reads signups from a file, one JSON object a line; - is standard input.",
            valueName: "file"
        ),
        completion: .file(extensions: ["jsonl", "json"])
    )
    var jsonLines: String?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        let fields = [
            code, wabaID, phoneNumberID, businessID, currency, externalID, flow, pin, testRecipient, testMessage,
            codeIssuedAt, redirectURI, dataLocalizationRegion, webhookOverride, metadata,
        ]
        if jsonLines != nil, fields.contains(where: { $0 != nil }) {
            throw ValidationError("Give a signup's fields or --json-lines, not both.")
        }
        if jsonLines == nil, code == nil { throw ValidationError("Give --code, or --json-lines for many signups.") }
    }

    func run() async throws {
        if let jsonLines {
            try await SignupLines(file: jsonLines, global: global).enqueue()
        } else {
            try await enqueueOne()
        }
    }

    private func enqueueOne() async throws {
        let output = global.output
        var input = SignupInput()
        input.code = try code.map { try StandardInput.valueOrLine($0, "--code") }
        input.pin = try pin.map { try StandardInput.valueOrLine($0, "--pin") }
        input.wabaID = wabaID
        input.phoneNumberID = phoneNumberID
        input.businessID = businessID
        input.currency = currency
        input.externalID = externalID
        input.flow = flow
        input.testRecipient = testRecipient
        input.testMessage = testMessage
        input.codeIssuedAt = codeIssuedAt
        input.redirectURI = redirectURI
        input.dataLocalizationRegion = dataLocalizationRegion
        input.webhookOverride = webhookOverride
        input.metadata = metadata
        let signup = input
        let id = try await global.withConnection { connection in
            do throws(PostgresError) {
                return try await SignupStore.enqueue(signup, on: connection)
            } catch {
                let remedy =
                    signup.externalID == nil
                    ? "The signup may be enqueued or not. Look before you send it again: embark signup list"
                    : "The signup may be enqueued or not. Run the same command again: by its external id it is one signup."
                if let lost = CommandFailure(lostAnswer: error, remedy) { throw lost }
                throw error
            }
        }
        switch output.format {
        case .table:
            output.line("Signup \(id) is enqueued. See where it stands: embark signup show \(id)")
        case .json, .jsonl:
            output.line(try Output.object(["id": "\"\(id)\""]))
        }
    }
}
