/// `embark why`: the card of a signup, in each of its states and with whatever stands in the database.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(5))) struct CommandWhyTests {
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
