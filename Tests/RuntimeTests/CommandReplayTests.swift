/// `embark replay`: one signup goes on, or is refused with what to do instead.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandReplayTests {
    @Test func `A failed signup goes on from where it failed, as a new generation`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("replay", "stuck-one", "--reason", "the PIN was reset")
        #expect(
            result.out == """
                REPLAY OF SIGNUP 4  stuck-one, which failed at register_phone with 133005
                Done          exchange_code ✓  verify_grant ✓  subscribe_app ✓
                              share_credit_line ✓ 44
                Will run      register_phone
                Register      9 of the number's 9 calls in 72 h are left
                It runs again, as generation 2. See: embark why 4

                """
        )
        #expect(result.err == "")
        #expect(result.code == 0)
        #expect(
            try await texts("SELECT concat_ws(' ', step, lane, give_up_at) FROM embark.jobs WHERE signup_id = 4") == [
                "register_phone 5"
            ]
        )
        #expect(try await texts("SELECT reason FROM embark.audit WHERE action = 'replay'") == ["the PIN was reset"])
    }

    @Test func `A new code and a PIN come from standard input, the code first, and are never shown`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run(
            "replay",
            "4",
            "--from",
            "exchange_code",
            "--code",
            "-",
            "--pin",
            "-",
            "-o",
            "json",
            input: "AQ-new\n271828\n"
        )
        let object = try result.object()
        #expect(object["id"] as? String == "4")
        #expect(object["generation"] as? Int == 2)
        #expect(object["from_step"] as? String == "exchange_code")
        #expect(!result.all.contains("AQ-new") && !result.all.contains("271828"))
        #expect(
            try await texts("SELECT code || ' ' || pin FROM embark.secrets WHERE signup_id = 4") == ["AQ-new 271828"]
        )
        #expect(
            try await texts("SELECT step || ' ' || lane FROM embark.jobs WHERE signup_id = 4 AND give_up_at > now()")
                == ["exchange_code 0"]
        )
    }

    static let refusals: [([String], Int32, String)] = [
        (["1"], 2, "signup 1 runs already: wait until it ends"),
        (["2"], 2, "signup 2 is completed: only one that failed can be replayed"),
        (["5"], 2, "signup 5 is cancelled: only one that failed can be replayed"),
        (
            ["3"], 2,
            "signup 3: new_code is required from exchange_code, for a code works once: the customer goes through the popup again"
        ),
        (
            ["4", "--from", "sync_history"], 2,
            "signup 4: from_step must be a step of the signup's plan: exchange_code, verify_grant"
        ),
        (["4", "--pin", "12345"], 2, "signup 4: new_pin must be six ASCII digits"),
        (["4", "--code", "x"], 2, "signup 4: new_code is of no use behind exchange_code"),
        (["6"], 3, "no signup has the id or the external id 6. See: embark signup list"),
        (["4", "--pin", "-"], 64, "--pin - was given, but standard input has no line for it"),
    ]

    @Test(arguments: refusals)
    func `What cannot work is refused with the reason, and changes nothing`(
        arguments: [String],
        code: Int32,
        says: String
    ) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run(["replay"] + arguments, database: TestDatabase.current.url)
        #expect(result.err.hasPrefix("embark: " + says))
        #expect(result.code == code)
        #expect(try await texts("SELECT reason FROM embark.audit WHERE action = 'replay'") == [])
        #expect(try await texts("SELECT string_agg(generation::text, '' ORDER BY id) FROM embark.signups") == ["11111"])
    }

    @Test func `An effect that nothing can tell must be resolved first`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script(
            "UPDATE embark.signups SET error_code = 'effect_uncertain', failed_step = 'share_credit_line' WHERE id = 4"
        )
        let result = try await Command.run("replay", "4")
        #expect(result.err.contains("resolve it first"))
        #expect(result.code == 2)
    }

    @Test func `A step that there is not is a mistake on the command line`() async throws {
        let result = try await Command.run("replay", "4", "--from", "exchange")
        #expect(result.err.contains("--from must be a step: exchange_code, verify_grant"))
        #expect(result.code == 64)
    }
}
