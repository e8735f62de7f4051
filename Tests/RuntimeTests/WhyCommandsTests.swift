/// Each command that a card can show exists, and takes the arguments that the card gives it.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(5))) struct WhyCommandsTests {
    /// A failed signup for each row of the error table and each party, at the row's step or at the last one.
    private static let failures: [(code: String, party: String, step: String)] =
        (ExplainedCode.all.map { ($0.codes[0], $0.step) } + [("987654", nil)]).flatMap { code, step in
            ["customer", "operator"].map { party in
                (code, party, (step ?? .registerPhone).rawValue)
            }
        }

    private static let plan = "{\(Step.allCases.map(\.rawValue).joined(separator: ","))}"

    @Test func `Every command of every card of a failed signup is one that embark takes`() async throws {
        let rows = Self.failures.map { "('\($0.code)', '\($0.party)', '\($0.step)')" }.joined(separator: ", ")
        try await script(
            """
            INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, error_message,
                                        waba_id, phone_number_id, code_issued_at)
            SELECT 'acme-' || v.place, 'failed', 'cloud_api', '\(Self.plan)', v.step, v.party::embark.party, v.code,
                   'Meta''s words', '102290129340398', '106540352242922', now()
              FROM (SELECT row_number() OVER () AS place, c.code, c.party, c.step
                      FROM (VALUES \(rows)) AS c (code, party, step)) AS v
             ORDER BY v.place;
            """
        )
        var forms: [String: String] = [:]
        for id in 1...Self.failures.count {
            let result = try await Command.run("why", "\(id)")
            #expect(result.code == 0)
            #expect(result.outLines.count <= 24 && result.outLines.allSatisfy { $0.count <= 80 }, "\(result.out)")
            let commands = CardCommands(result.outLines).commands
            #expect(!commands.isEmpty, "\(result.out)")
            for command in commands {
                forms[command.joined.replacing(" \(id) ", with: " 4711 ")] = command.text
            }
        }
        // That the table leads somewhere, and not all to one place.
        #expect(forms.count >= 10, "\(forms.keys.sorted())")
        for command in forms.keys.sorted() { try await Self.isTaken(try #require(forms[command])) }
    }

    /// It may be refused, for the cause is not mended here, but not misunderstood.
    private static func isTaken(_ command: String) async throws {
        let filled = command.replacing("NNNNNN", with: "581063").replacing(" ID ", with: " 106540352242922 ")
            .replacing(" CCC ", with: " USD ")
        let whole = filled.hasSuffix(" ID") ? filled.dropLast(2) + "1111111111" : filled
        let result = try await Command.shell(whole, input: "AQ-code\n")
        #expect([0, 1, 2].contains(result.code ?? -1), "\(whole): \(result.err)")
        #expect(!result.err.contains("Usage:"), "\(whole): \(result.err)")
    }

    struct Standing: Sendable, CustomTestStringConvertible {
        let name: String
        /// Besides a running signup 1 of account 14 and number 24 with its job, and a completed signup 2.
        let sql: String
        var id = "1"
        let says: [String]
        let command: String
        var testDescription: String { name }
    }

    private static func paused(_ scope: String, step: String, reason: String, credentials: Bool = false) -> String {
        """
        UPDATE embark.jobs SET step = '\(step)', due_at = now() + interval '1 h';
        INSERT INTO embark.throttles (scope, until, reason, credentials)
        VALUES ('\(scope)', now() + interval '2 h 1 min', '\(reason)', \(credentials))
        """
    }

    static let standings = [
        Standing(
            name: "due",
            sql: "UPDATE embark.jobs SET due_at = now()",
            says: ["RUNNING at subscribe_app", "It is due: the next free worker takes it.", "goes on by itself"],
            command: "embark signup show 1"
        ),
        Standing(
            name: "overdue",
            sql: "UPDATE embark.jobs SET due_at = now() - interval '1 min'",
            says: ["no worker takes it", "you (see whether the workers run)"],
            command: "embark top --once"
        ),
        Standing(
            name: "leased",
            sql: "UPDATE embark.jobs SET due_at = now() + interval '40 s', lease_id = 1, worker_id = 1",
            says: ["A worker has it in hands, for ", " s more at most."],
            command: "embark signup show 1"
        ),
        Standing(
            name: "retrying",
            sql: """
                UPDATE embark.jobs SET due_at = now() + interval '10 min 30 s', attempt = 3;
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, http_status,
                                             error_code, error_message, fbtrace_id)
                VALUES (1, 1, 'subscribe_app', 3, 'retry', now(), now(), 503, '2', 'Service down', 'AbC')
                """,
            says: [
                "Meta said     2 Service down", "HTTP 503   fbtrace AbC",
                "It is tried again by itself in 10 min, after 3 attempts.",
            ],
            command: "embark signup show 1"
        ),
        Standing(
            name: "a limit of Meta's",
            sql: paused("waba:14", step: "subscribe_app", reason: "80007 (#80007) Rate limit hit"),
            says: ["PAUSED at subscribe_app", "waba:14 rests for 2 h more, until ", "Meta's limit is over"],
            command: "embark signup show 1"
        ),
        Standing(
            name: "an operator's pause",
            sql: paused("phone:24", step: "register_phone", reason: "paused by ops: they asked"),
            says: ["phone:24 rests for 2 h more, until ", "paused by ops: they asked", "you can end it before"],
            command: #"embark resume phone:24 --reason "…""#
        ),
        Standing(
            name: "our system token",
            sql: paused("system", step: "share_credit_line", reason: "190 revoked", credentials: true),
            says: ["system rests for", "set EMBARK_SYSTEM_TOKEN, restart"],
            command: #"embark resume system --reason "…""#
        ),
        Standing(
            name: "our app secret",
            sql: paused("app", step: "exchange_code", reason: "1 wrong secret", credentials: true),
            says: ["app rests for", "set EMBARK_APP_SECRET, restart the workers"],
            command: #"embark resume app --reason "…""#
        ),
        Standing(
            name: "a recovery that waits for our system token",
            sql: paused("system", step: "exchange_code", reason: "190 revoked", credentials: true) + """
                ;
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, http_status,
                                             error_code, error_message)
                VALUES (1, 1, 'exchange_code', 1, 'throttle', now(), now(), 401, '190', 'Revoked')
                """,
            says: ["PAUSED at exchange_code", "Meta said     190 Revoked"],
            command: #"embark resume system --reason "…""#
        ),
        Standing(
            name: "completed",
            sql: "UPDATE embark.signups SET warnings = '{}'",
            id: "2",
            says: ["COMPLETED", "The onboarding is done.", "register_phone ✓", "not needed"],
            command: "embark signup show 2"
        ),
        Standing(
            name: "completed with warnings",
            sql: """
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, http_status,
                                             error_code, error_message)
                VALUES (2, 1, 'send_test_message', 1, 'fail', now(), now(), 400, '131047', 'Re-engagement message')
                """,
            id: "2",
            says: [
                "Meta said     131047 Re-engagement", "Onboarded; the test message failed.", "have the recipient write",
            ],
            command: "embark signup show 2"
        ),
        Standing(
            name: "cancelled",
            sql: """
                INSERT INTO embark.audit (actor, action, signup_id, reason) VALUES ('dana', 'cancel', 5, 'the customer left')
                """,
            id: "5",
            says: ["CANCELLED", "Means         dana gave it up: the customer left", "no: it was cancelled"],
            command: "embark signup show 5"
        ),
    ]

    @Test(arguments: standings)
    func `A signup that did not fail says what it waits for, and its command is one that embark takes`(
        standing: Standing
    ) async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.signups SET waba_id = '14', phone_number_id = '24' WHERE id = 1")
        try await script(standing.sql)
        let result = try await Command.run("why", standing.id)
        let text = result.out.replacing(/\n {14}/, with: " ")
        for words in standing.says { #expect(text.contains(words), "\(words)\n\(result.out)") }
        let commands = CardCommands(result.outLines).commands
        #expect(commands.map(\.joined) == [standing.command])
        try await Self.isTaken(commands[0].text)
    }
}
