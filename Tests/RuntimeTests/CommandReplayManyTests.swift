/// `embark replay` of several signups, by name or by filter: the plan, the question, the results, and what is left alone.
import Foundation
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandReplayManyTests {
    /// 1 to 6 failed at register_phone with 131000, an hour ago and an hour each before; 4 has used up its number's calls. 7
    /// failed there with another code, 8 elsewhere with that code, 9 runs.
    private static let failed = """
        INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, error_message,
                                    waba_id, phone_number_id, code_issued_at, updated_at)
        SELECT 'acme-' || n, CASE WHEN n = 9 THEN 'running' ELSE 'failed' END::embark.signup_state, 'cloud_api',
               '{exchange_code,verify_grant,subscribe_app,register_phone}'::text[]
                   || CASE WHEN n = 6 THEN '{send_test_message}'::text[] END,
               CASE n WHEN 8 THEN 'subscribe_app' WHEN 9 THEN NULL ELSE 'register_phone' END,
               CASE WHEN n <> 9 THEN 'operator'::embark.party END, CASE n WHEN 7 THEN '133005' WHEN 9 THEN NULL ELSE '131000' END,
               'It failed.', '10' || n, '20' || n, now(), now() - n * interval '1 h'
          FROM generate_series(1, 9) AS n;
        INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups;
        INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES (9, 'subscribe_app', 5, '2100-01-01 00:00:00Z');
        INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at)
        SELECT '20' || s, s, now() - interval '10 h' FROM (VALUES (4, 9), (5, 2)) AS v (s, calls), generate_series(1, calls)
        """

    private static let filter = ["--state", "failed", "--step", "register_phone", "--error-code", "131000"]

    private static func run(_ arguments: [String], input: String = "") async throws -> CommandResult {
        try await Command.run(["replay"] + arguments, database: TestDatabase.current.url, input: Array(input.utf8))
    }

    private static func running() async throws -> [String] {
        try await texts(
            "SELECT id || ' ' || generation FROM embark.signups WHERE state = 'running' AND id <> 9 ORDER BY id"
        )
    }

    @Test func `A dry run shows the plan and each signup's, those that failed first ahead, and changes nothing`()
        async throws
    {
        try await script(Self.failed)
        let result = try await Self.run(Self.filter + ["--since", "24h", "--dry-run"])
        let free = try await texts(
            """
            SELECT to_char(date_trunc('minute', called_at + interval '72 h 1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
              FROM embark.register_calls WHERE phone_number_id = '204' LIMIT 1
            """
        )
        #expect(
            result.outLines.prefix(8) == [
                "REPLAY OF 6 SIGNUPS",
                "Will run      register_phone: 4 signups, the first of them 5",
                "Will run      register_phone  send_test_message: signup 6",
                "Register      7 of the number's 9 calls in 72 h are left for signup 5, the",
                "              fewest",
                "Refused       signup 4: signup_id is that of a signup whose number has had 9",
                "              register calls in 72 hours, and a tenth would block it: replay it",
                "              after " + (result.outLines.dropFirst(7).first?.dropFirst(20) ?? ""),
            ]
        )
        #expect(result.out.contains(free[0]), "the time from which there is a call again")
        #expect(
            result.outLines.suffix(7).map { String($0.prefix(44)) } == [
                "6  acme-6  would run register_phone  send_te", "5  acme-5  would run register_phone",
                "4  acme-4  would be refused: signup_id is th", "3  acme-3  would run register_phone",
                "2  acme-2  would run register_phone", "1  acme-1  would run register_phone",
                "5 would run, 1 refused",
            ]
        )
        // It says beforehand what the replay would end with.
        #expect(result.code == 2)
        #expect(try await Self.running() == [])
        #expect(try await count("embark.audit WHERE action = 'replay'") == 0)
    }

    @Test func `By filter those that match are replayed, each by itself, with a result for each`() async throws {
        try await script(Self.failed)
        let result = try await Self.run(
            Self.filter + [
                "--since", "24h", "--yes", "-o", "jsonl", "--reason", "the outage is over", "--rate", "1000/s",
            ]
        )
        let objects = try result.objectLines()
        #expect(objects.map { $0["id"] as? String } == ["4", "6", "5", "3", "2", "1"])
        #expect(objects.map { $0["result"] as? String } == ["refused"] + Array(repeating: "replayed", count: 5))
        #expect((objects.first?["reason"] as? String)?.contains("a tenth would block it") == true)
        #expect(objects.last?["generation"] as? Int == 2 && objects.last?["external_id"] as? String == "acme-1")
        #expect(result.err == "5 replayed, 1 refused\n")
        #expect(result.code == 2)
        #expect(try await Self.running() == ["1 2", "2 2", "3 2", "5 2", "6 2"])
        #expect(
            try await texts(
                "SELECT DISTINCT concat_ws('|', actor, session_user_name, reason) FROM embark.audit WHERE action = 'replay'"
            )
                == ["postgres|postgres|the outage is over"]
        )
        // Once more: what runs is not selected.
        let again = try await Self.run(Self.filter + ["--since", "24h", "--yes", "-o", "json"])
        #expect(try again.objects().count == 1)
    }

    static let windows: [([String], [String])] = [
        (["--since", "150m"], ["2", "1"]), (["--since", "90m"], ["1"]), (["--since", "30m"], []),
        (["--since", "24h", "--max", "2"], ["6", "5"]), (["--since", "2000-01-01", "--max", "1"], ["6"]),
        (["--since", "2100-01-01T00:00:00+02:00"], []),
    ]

    @Test(arguments: windows) func `What is selected is bounded in time and in number`(
        flags: [String],
        ids: [String]
    )
        async throws
    {
        try await script(Self.failed)
        let result = try await Self.run(Self.filter + flags + ["--dry-run", "-o", "jsonl"])
        #expect(try result.objectLines().map { $0["id"] as? String } == ids)
        #expect(result.code == 0)
        #expect(result.err == "\(ids.isEmpty ? "0" : "\(ids.count)") would run, none refused\n")
    }

    @Test func `A cap that leaves some out says so`() async throws {
        try await script(Self.failed)
        let result = try await Self.run(Self.filter + ["--since", "1d", "--max", "2", "--yes"])
        #expect(result.out.contains("More          match than --max 2: those that failed first are taken\n"))
        #expect(try await Self.running() == ["5 2", "6 2"])
        #expect(result.outLines.last == "2 replayed, none refused")
        #expect(result.code == 0)
    }

    @Test func `A selection of more pages than one meets each signup once`() async throws {
        try await script(
            """
            INSERT INTO embark.signups (state, flow, plan, failed_step, waiting_on, error_code, code_issued_at, updated_at)
            SELECT 'failed', 'only_waba', '{exchange_code,subscribe_app}', 'subscribe_app', 'operator', '2', now(),
                   -- Many at the same moment.
                   now() - (n / 100) * interval '1 min'
              FROM generate_series(1, 1234) AS n
            """
        )
        let flags = [
            "--state", "failed", "--step", "subscribe_app", "--error-code", "2", "--since", "24h", "-o", "jsonl",
        ]
        let result = try await Self.run(flags + ["--yes", "--max", "1200"])
        let ids = try result.objectLines().compactMap { $0["id"] as? String }
        #expect(ids.count == 1200 && Set(ids).count == 1200)
        #expect(try await count("embark.signups WHERE generation = 2") == 1200)
        #expect(try await count("embark.audit WHERE action = 'replay'") == 1200)
    }

    @Test func `By name each counts once, and one that does not exist leaves the others alone`() async throws {
        try await script(Self.failed)
        let result = try await Self.run([
            "acme-1", "1", "nobody", "9", "2", "--from", "subscribe_app", "--yes", "-o", "json",
        ])
        let objects = try result.objects()
        #expect(objects.map { $0["result"] as? String } == ["not_found", "refused", "replayed", "replayed"])
        #expect(objects.map { $0["from_step"] as? String } == [nil, nil, "subscribe_app", "subscribe_app"])
        #expect(result.code == 2)
        #expect(try await Self.running() == ["1 2", "2 2"])
    }

    @Test func `More than one without a terminal needs yes`() async throws {
        try await script(Self.failed)
        for arguments in [["1", "2"], Self.filter + ["--since", "24h"]] {
            let result = try await Self.run(arguments, input: "5\n2\n")
            #expect(result.code == 64)
            #expect(
                result.err.hasSuffix(
                    "signups would be replayed: without a terminal that needs --yes. See them with --dry-run\n"
                )
            )
        }
        #expect(try await Self.running() == [])
        // One is not asked about, however it was found.
        #expect(try await Self.run(Self.filter + ["--since", "90m"]).code == 0)
        #expect(try await Self.running() == ["1 2"])
    }

    @Test(arguments: [("2", true), ("y", false), ("3", false), ("", false)])
    func `On a terminal the number of signups is to be typed`(typed: String, isReplayed: Bool) async throws {
        try await script(Self.failed)
        // script(1) gives the command a terminal and passes on what is typed.
        let command = "embark replay 1 2 --database-url '\(TestDatabase.current.url)'"
        let result = try await Command.program("script", ["-qec", command, "/dev/null"], input: typed + "\n")
        #expect(result.out.contains("Type 2 to replay them, anything else to leave them: "))
        #expect(result.out.contains("nothing was replayed: the answer was not 2") != isReplayed)
        // The bar, on the same terminal.
        #expect(result.out.contains("100 %") == isReplayed)
        #expect(result.code == (isReplayed ? 0 : 2))
        #expect(try await Self.running() == (isReplayed ? ["1 2", "2 2"] : []))
    }

    @Test func `A currency is mended for all of them, or for none of those that are refused`() async throws {
        try await script(Self.failed)
        try await script(
            "UPDATE embark.signups SET failed_step = 'share_credit_line', error_code = 'currency_missing', "
                + "plan = CASE id WHEN 4 THEN '{exchange_code}' ELSE '{exchange_code,share_credit_line}' END::text[] "
                + "WHERE id IN (1, 2, 4)"
        )
        let flags = [
            "--state", "failed", "--step", "share_credit_line", "--error-code", "currency_missing", "--since", "24h",
        ]
        let result = try await Self.run(flags + ["--currency", "EUR", "--yes"])
        #expect(result.code == 2)
        #expect(
            try await texts(
                "SELECT concat_ws(' ', id, currency, generation) FROM embark.signups WHERE id IN (1, 2, 4) ORDER BY id"
            )
                == ["1 EUR 2", "2 EUR 2", "4 1"]
        )
    }

    @Test func `The quota that a replay keeps is the workers' own`() async throws {
        try await script(Self.failed)
        let calls =
            "INSERT INTO embark.register_calls (phone_number_id, signup_id) SELECT '201', 1 FROM generate_series(1, %)"
        try await script(calls.replacing("%", with: "\(ReplayPlan.registerCallsMax - 1)"))
        #expect(try await Self.run(["1", "--dry-run"]).out.contains("Register      1 of the number's"))
        try await script(calls.replacing("%", with: "1"))
        let result = try await Self.run(["1", "--dry-run"])
        #expect(result.out.contains("Refused       signup_id is that of a signup whose number has had 9"))
        #expect(result.code == 2)
        // From an earlier step it runs until it comes there, and whoever lets it is told.
        let earlier = try await Self.run(["1", "--from", "subscribe_app"])
        #expect(earlier.out.contains("Register      0 of the number's 9 calls in 72 h are left"))
        #expect(earlier.code == 0)
    }

    static let mistakes: [([String], String)] = [
        ([], "Name signups, or a filter: --state failed --step STEP --error-code CODE --since 24h."),
        (["1", "--state", "failed"], "Name signups or a filter, not both."),
        (["--state", "failed"], "A filter also needs --step and --error-code and --since."),
        (["--max", "5"], "A filter also needs --state failed and --step and --error-code and --since."),
        (
            ["--state", "running", "--step", "register_phone", "--error-code", "2", "--since", "1h"],
            "--state must be failed"
        ),
        (
            filter.map { $0 == "register_phone" ? "register" : $0 } + ["--since", "1h"],
            "--step must be a step: exchange_code"
        ),
        (filter + ["--since", "yesterday"], "--since must be a length"),
        (filter + ["--since", "2026-02-30"], "--since must be a length"),
        (filter + ["--since", "2026-11-25T08:00:00"], "--since must be a length"),
        (filter + ["--since", "1h", "--max", "0"], "--max must be 1 to 100000."),
        (filter + ["--since", "1h", "--pin", "123456"], "--pin is one signup's"),
        (["1", "2", "--code", "x", "--from", "exchange_code"], "--code is one signup's"),
        (["1", "2", "--phone-number-id", "7"], "--phone-number-id is one signup's"),
        (["1", "2", "--rate", "5"], "The value '5' is invalid for '--rate <count/unit>'"),
        (["1", "2", "--rate", "0/s"], "The value '0/s' is invalid for '--rate <count/unit>'"),
    ]

    @Test(arguments: mistakes) func `A mistake on the command line is explained`(
        arguments: [String],
        says: String
    )
        async throws
    {
        let result = try await Self.run(arguments)
        #expect(result.err.hasPrefix("Error: " + says), "\(result.err)")
        #expect(result.code == 64)
    }
}
