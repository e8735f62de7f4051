/// `embark signup show`: one signup by either of its names, its plan and its history.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSignupShowTests {
    @Test func `A failed signup shows where it stopped, why, and whose move it is`() async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.attempts)
        let result = try await Command.run("signup", "show", "4")
        #expect(
            result.out == """
                Signup 4  failed  moved 2 h ago
                External id   stuck-one
                Flow          cloud_api
                WABA          14
                Phone number  24
                Business      34
                Plan          exchange_code ✓  verify_grant ✓  subscribe_app ✓  share_credit_line ✓  register_phone ✗
                Waiting on    the operator
                Error         133005 Two step PIN mismatch
                Allocation    44
                Generation    1
                Created       2026-05-01T12:00:00Z

                FINISHED                 GEN  STEP            TRY  VERDICT  TOOK    ERROR
                2026-05-01T12:00:03.5Z   1    register_phone  3    fail     1.50 s  133005 Two step PIN mismatch
                2026-05-01T12:00:01.25Z  1    exchange_code   1    done     250 ms

                """
        )
        #expect(result.err == "")
        #expect(result.code == 0)
    }

    static let plans: [(String, String)] = [
        ("1", "exchange_code ✓  verify_grant ✓  subscribe_app ▶  share_credit_line  register_phone"),
        ("2", "exchange_code ✓  verify_grant ✓  subscribe_app ✓  share_credit_line ✓  register_phone ✓"),
        ("3", "exchange_code ✗  verify_grant  subscribe_app  share_credit_line  register_phone"),
        ("5", "exchange_code  verify_grant  subscribe_app  share_credit_line  register_phone"),
    ]

    @Test(arguments: plans)
    func `The plan marks what is done, where it is and where it stopped`(id: String, plan: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("signup", "show", id)
        #expect(result.outLines.contains("Plan          " + plan))
        #expect(result.code == 0)
    }

    @Test func `A running signup shows its job and its last error, a completed one its warnings`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script(
            """
            INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, error_code, error_message)
            VALUES (1, 1, 'subscribe_app', 1, 'retry', now(), now(), '2', 'Service temporarily unavailable')
            """
        )
        let running = try await Command.run("signup", "show", "1").outLines
        #expect(running.contains("Job           scheduled, due 2100-01-01T00:00:00Z"))
        #expect(running.contains("Last error    2 Service temporarily unavailable"))
        #expect(!running.contains { $0.hasPrefix("Error ") })
        let completed = try await Command.run("signup", "show", "2").outLines
        #expect(completed.contains("Warnings      test_message_failed, slow"))
        #expect(!completed.contains { $0.hasPrefix("Job ") })
    }

    struct Name: Sendable, CustomTestStringConvertible {
        let given: String
        let finds: String
        let testDescription: String
    }

    static let names = [
        Name(given: "2", finds: "2", testDescription: "an id"),
        Name(given: "completed-one", finds: "2", testDescription: "an external id"),
        Name(given: "3", finds: "3", testDescription: "an id that is also the external id of 5: the id wins"),
        Name(given: "777", finds: "4", testDescription: "an external id of digits that is nobody's id"),
        Name(given: "002", finds: "1", testDescription: "an external id with zeros in front"),
        Name(given: "99999999999999999999", finds: "6", testDescription: "an external id with more digits than any id"),
    ]

    @Test(arguments: names)
    func `A signup is found by its id or else by its external id`(name: Name) async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.many(1))
        try await script(
            """
            UPDATE embark.signups AS s SET external_id = v.external_id
              FROM (VALUES (1, '002'), (5, '3'), (4, '777'), (6, '99999999999999999999')) AS v (id, external_id)
             WHERE s.id = v.id
            """
        )
        let result = try await Command.run("signup", "show", name.given, "-o", "json")
        #expect(try result.object()["id"] as? String == name.finds)
    }

    @Test(arguments: ["6", "0", "nobody", "+2", "02", " 2", ""])
    func `What is neither is no such thing, with exit 3`(name: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("signup", "show", name)
        #expect(result.out == "")
        #expect(result.err == "embark: no signup has the id or the external id \(name). See: embark signup list\n")
        #expect(result.code == 3)
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON it is one object with the plan, the job and the attempts`(format: String) async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.attempts)
        let result = try await Command.run("signup", "show", "4", "-o", format)
        #expect(result.outLines.count == 1)
        let object = try result.object()
        #expect(object["id"] as? String == "4")
        #expect(object["state"] as? String == "failed")
        #expect(object["step"] as? String == "register_phone")
        #expect((object["plan"] as? [String])?.count == 5)
        #expect(object["job_state"] is NSNull)
        let attempts = try #require(object["attempts"] as? [[String: Any]])
        #expect(attempts.map { $0["step"] as? String } == ["register_phone", "exchange_code"])
        #expect(attempts.first?["fbtrace_id"] as? String == "AbCdEf")
        #expect(attempts.first?["http_status"] as? Int == 400)

        let running = try await Command.run("signup", "show", "1", "-o", format).object()
        #expect(running["job_state"] as? String == "scheduled")
        #expect((running["due_at"] as? String)?.hasPrefix("2100-01-01T00:00:00") == true)
        #expect((running["attempts"] as? [Any])?.isEmpty == true)
    }

    @Test func `Nothing that was handed in as a secret is shown by any command`() async throws {
        let secret = ["canary-code", "271828"]
        let added = try await Command.run(
            "signup",
            "add",
            "--code",
            "-",
            "--pin",
            "-",
            "--currency",
            "USD",
            "--external-id",
            "acme",
            "--webhook-override",
            #"{"override_callback_uri":"https://a.example/","verify_token":"canary-token"}"#,
            input: secret.joined(separator: "\n")
        )
        #expect(added.code == 0)
        let again = try await Command.run(
            "signup",
            "add",
            "--code",
            "-",
            "--pin",
            "-",
            "--currency",
            "EUR",
            "--external-id",
            "acme",
            input: secret.joined(separator: "\n")
        )
        #expect(again.code == 2)
        var printed = added.all + again.all
        let commands = [
            ["signup", "list"], ["signup", "show", "acme"], ["doctor"], ["configure"], ["migrate"],
            ["migrate", "--check"],
        ]
        for command in commands {
            for format in ["table", "json", "jsonl"] {
                printed += try await Command.run(command + ["-o", format], database: TestDatabase.current.url).all
            }
        }
        for word in secret + ["canary"] { #expect(!printed.contains(word)) }
    }
}
