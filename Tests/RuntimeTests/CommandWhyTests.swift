/// `embark why`: the card of a signup, in each of its states and with whatever stands in the database.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandWhyTests {
    @Test func `A failed signup's card says where, why, whose move it is, and what to type`() async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.attempts)
        try await script(
            """
            INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at)
            VALUES ('24', 4, now()), ('24', 5, now() - interval '71 h'), ('24', 4, now() - interval '73 h'), ('25', 4, now())
            """
        )
        let result = try await Command.run("why", "4")
        #expect(
            result.out == """
                SIGNUP 4  stuck-one  WABA 14                  FAILED at register_phone   2 h ago
                Meta said     133005 Two step PIN mismatch
                              HTTP 400   fbtrace AbCdEf
                Means         The number already has a PIN, and ours is another one.
                Whose move    the customer (ask for the PIN), or you (set a new one)
                Done so far   exchange_code ✓  verify_grant ✓  subscribe_app ✓
                              share_credit_line ✓ 44
                Replay        safe from register_phone, with another PIN; 2 of 10 register calls
                              used in 72 h
                Next          embark replay 4 --pin NNNNNN --reason "…"

                """
        )
        #expect(result.err == "")
        #expect(result.code == 0)
    }

    @Test func `A dead code needs a new one, and its history may be gone`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script(
            "UPDATE embark.signups SET error_code = 'code_expired', error_message = 'It died.' WHERE id = 3"
        )
        #expect(
            try await Command.run("why", "expired-one").out == """
                SIGNUP 3  expired-one  WABA 13              FAILED at exchange_code   10 min ago
                Found by      external id expired-one
                Error         code_expired It died.
                Means         The code died before it could be exchanged: it lives 30 seconds.
                Whose move    the customer (go through the popup again; upstream renews it, or
                              you replay with the code)
                Done so far   nothing
                Replay        safe from exchange_code with a new code only, on a line of its own
                Upstream      SELECT embark.renew_signup('expired-one', 'CODE');
                Next          embark replay 3 --from exchange_code --code - --reason "…"

                """
        )
    }

    /// Nine calls, the oldest of which is 72 hours old in 51 minutes.
    private static let usedUp = """
        INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at)
        SELECT '24', 4, now() - interval '71 h' - n * interval '1 min' FROM generate_series(1, 9) AS n
        """

    /// Of these only the one that would begin with a registration of this number is kept back.
    @Test(
        arguments: [
            ("register_phone", "133006", "embark signup show 4", true),
            ("subscribe_app", "2200", #"embark replay 4 --reason "…""#, false),
            ("register_phone", "190", #"embark replay 4 --from exchange_code --code - --reason "…""#, false),
            ("verify_grant", "phone_not_granted", #"embark replay 4 --phone-number-id ID --reason "…""#, false),
        ]
    )
    func `A quota that is used up keeps back the replay that would begin with one more call`(
        step: String,
        code: String,
        command: String,
        isLater: Bool
    ) async throws {
        try await script(SampleSignups.oneOfEachState + Self.usedUp)
        try await script(
            """
            UPDATE embark.signups SET failed_step = '\(step)', error_code = '\(code)', waiting_on = 'customer' WHERE id = 4
            """
        )
        let result = try await Command.run("why", "4")
        #expect(CardCommands(result.outLines).commands.map(\.joined) == [command])
        let text = result.out.replacing(/\n {14}/, with: " ")
        let time = try await texts(
            """
            SELECT to_char((min(called_at) + interval '72 h 1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
              FROM embark.register_calls
            """
        )
        #expect(text.contains("not before \(time[0]) (in ") == isLater, "\(result.out)")
        #expect(text.contains("9 of 10 register calls used in 72 h"), "\(result.out)")
    }

    /// A pause of the number outlives the signup that met it.
    @Test(
        arguments: [
            ("register_phone", "phone:24", true), ("subscribe_app", "waba:14", true),
            ("subscribe_app", "phone:24", false), ("exchange_code", "waba:14", false), ("register_phone", "app", false),
        ]
    )
    func `A failed signup says until when Meta does not listen`(step: String, scope: String, isSaid: Bool) async throws
    {
        try await script(SampleSignups.oneOfEachState)
        try await script(
            """
            UPDATE embark.signups SET failed_step = '\(step)', error_code = '133008', waiting_on = 'customer' WHERE id = 4;
            INSERT INTO embark.throttles (scope, until, reason) VALUES ('\(scope)', now() + interval '58 min 30 s', '133008')
            """
        )
        let result = try await Command.run("why", "4")
        let text = result.out.replacing(/\n {14}/, with: " ")
        let time = try await texts(
            "SELECT to_char((until + interval '1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"') FROM embark.throttles"
        )
        #expect(text.contains("; not before \(time[0]) (in 58 min)") == isSaid, "\(result.out)")
        // A replay is taken, and waits for the end of the pause.
        if isSaid { #expect(result.out.contains("Next          embark replay 4 --pin NNNNNN")) }
    }

    static let standings: [(String, [String])] = [
        ("1", ["RUNNING at subscribe_app", "It is begun by itself in", "not while it runs"]),
        ("2", ["COMPLETED", "with warnings: test_message_failed", "not needed: it is completed"]),
        ("5", ["CANCELLED", "no: it was cancelled"]),
    ]

    @Test(arguments: standings)
    func `A signup that did not fail has a card, too`(id: String, says: [String]) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("why", id)
        for words in says { #expect(result.out.contains(words)) }
        #expect(result.out.contains("Whose move    nobody's"))
        #expect(result.code == 0)
    }

    @Test func `A job that is due and that nobody takes is the operator's move`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.jobs SET due_at = now() - interval '1 min'")
        let lines = try await Command.run("why", "1").outLines
        #expect(lines.contains("Means         It is due and no worker takes it: none runs, or all are behind."))
        #expect(lines.last == "Next          embark top --once")
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON it has the same facts`(format: String) async throws {
        try await script(SampleSignups.oneOfEachState + SampleSignups.attempts)
        let card = try await Command.run("why", "4", "-o", format).object()
        #expect(card["id"] as? String == "4")
        #expect(card["step"] as? String == "register_phone")
        #expect(card["waiting_on"] as? String == "operator")
        #expect(card["error_code"] as? String == "133005")
        #expect(card["http_status"] as? Int == 400)
        #expect(card["fbtrace_id"] as? String == "AbCdEf")
        #expect(card["means"] as? String == "The number already has a PIN, and ours is another one.")
        #expect((card["done"] as? [String])?.last == "share_credit_line")
        #expect(card["replay_from"] as? String == "register_phone")
        #expect(card["register_calls_72h"] as? Int == 0)
        #expect(card["next"] as? [String] == [#"embark replay 4 --pin NNNNNN --reason "…""#])
        #expect(card["next_is"] as? String == "all")
        #expect(card["found_by"] as? String == "id")
        let running = try await Command.run("why", "1", "-o", format).object()
        #expect(running["error_code"] is NSNull)
        #expect(running["replay_from"] is NSNull)
    }

    @Test(arguments: ["6", "0", "nobody", "04"])
    func `What names no signup in any way is no such thing, with exit 3`(name: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("why", name)
        #expect(result.out == "")
        #expect(
            result.err
                == "embark: no signup has the id, external id, WABA or phone number id \(name), and no failed call that fbtrace"
                + " id. See: embark signup list\n"
        )
        #expect(result.code == 3)
    }
}
