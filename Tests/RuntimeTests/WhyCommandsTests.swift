/// Each command that a card can show exists, and takes the arguments that the card gives it.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct WhyCommandsTests {
    /// Where a code stops a signup that no other step gives: its command is only taken there.
    private static let steps = ["currency_missing": Step.shareCreditLine, "credit_share_elsewhere": .shareCreditLine]

    /// A failed signup for each row of the error table and each party, at the row's step or at a late one.
    private static let failures: [(code: String, party: String, step: String)] =
        (ExplainedCode.all.map { ($0.codes[0], $0.step) } + [("987654", nil)]).flatMap { code, step in
            ["customer", "operator"].map { party in
                (code, party, (step ?? steps[code] ?? .registerPhone).rawValue)
            }
        }

    private static let plan = "{\(Step.allCases.map(\.rawValue).joined(separator: ","))}"

    /// A card's commands, and the first signup that has it: what is refused depends on the step as well.
    private struct Form {
        let id: Int
        let commands: [CardCommands.Line]
    }

    @Test func `Every command of every card of a failed signup works as printed`() async throws {
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
        var forms: [String: Form] = [:]
        var replayed: [Int] = []
        for (id, failure) in zip(1..., Self.failures) {
            let result = try await Command.run("why", "\(id)")
            #expect(result.code == 0)
            #expect(result.outLines.count <= 24 && result.outLines.allSatisfy { $0.count <= 80 }, "\(result.out)")
            let commands = CardCommands(result.outLines).commands
            #expect(!commands.isEmpty, "\(result.out)")
            let texts = commands.map { $0.joined.replacing(" \(id) ", with: " 4711 ") }
            if texts.contains(where: { $0.hasPrefix("embark replay 4711 --reason") }) { replayed.append(id) }
            let form = texts.joined(separator: "\n") + "\nat " + failure.step
            if forms[form] == nil { forms[form] = Form(id: id, commands: commands) }
        }
        // That the table leads somewhere, and not all to one place.
        #expect(forms.count >= 10, "\(forms.keys.sorted())")
        #expect(forms.keys.contains { $0.hasPrefix(#"embark cancel 4711 --reason "…""#) })
        // What is run below stands for all that look the same: of none of them a plain replay would be refused.
        let ids = replayed.map { "\($0)" }.joined(separator: ",")
        let refused = try await texts(
            "SELECT r.text FROM unnest('{\(ids)}'::bigint[]) AS u (id), embark.replay_refusal(u.id) AS r (text)"
                + " WHERE r.text IS NOT NULL"
        )
        #expect(replayed.count > 20 && refused.isEmpty, "\(refused)")
        for form in forms.keys.sorted() { try await Self.works(try #require(forms[form])) }
    }

    /// One after the other; of a choice each by itself.
    private static func works(_ form: Form) async throws {
        let failure = failures[form.id - 1]
        for command in form.commands {
            if command.label == "Or" {
                try await script(
                    """
                    DELETE FROM embark.jobs WHERE signup_id = \(form.id);
                    UPDATE embark.signups SET state = 'failed', failed_step = '\(failure.step)', waiting_on = '\(failure.party)',
                                              error_code = '\(failure.code)', error_message = 'Meta''s words'
                     WHERE id = \(form.id)
                    """
                )
            }
            try await works(command.text)
        }
    }

    private static func works(_ command: String) async throws {
        let filled = command.replacing("NNNNNN", with: "581063").replacing(" ID ", with: " 106540352242922 ")
            .replacing(" CCC ", with: " USD ")
        let whole = filled.hasSuffix(" ID") ? filled.dropLast(2) + "1111111111" : filled
        let result = try await Command.shell(whole, input: "AQ-code\n")
        #expect(result.code == 0, "\(whole): \(result.err)")
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
            name: "our system token, and a limit of Meta's that lasts longer",
            sql: paused("system", step: "share_credit_line", reason: "190 revoked", credentials: true) + """
                ;
                INSERT INTO embark.throttles (scope, until, reason)
                VALUES ('waba:14', now() + interval '5 h 1 min', '80007 (#80007) Rate limit hit')
                """,
            says: ["system rests for 2 h more", "set EMBARK_SYSTEM_TOKEN, restart"],
            command: #"embark resume system --reason "…""#
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
    func `A signup that did not fail says what it waits for, and its command works`(
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
        try await Self.works(commands[0].text)
    }
}
