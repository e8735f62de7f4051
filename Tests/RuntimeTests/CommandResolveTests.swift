/// `embark resolve`: an operator says whether the effect happened of which nothing could tell.
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandResolveTests {
    private func makeUncertain() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script(
            """
            UPDATE embark.signups
               SET failed_step = 'share_credit_line', error_code = 'effect_uncertain', error_message = 'Two posts, no share'
             WHERE id = 4
            """
        )
    }

    @Test(arguments: [("--happened", "register_phone"), ("--did-not-happen", "share_credit_line")])
    func `The card's command works as printed`(flag: String, step: String) async throws {
        try await makeUncertain()
        let card = try await Command.run("why", "4").out
        #expect(card.contains("embark resolve 4 \(flag)"))
        let result = try await Command.run("resolve", "4", flag, "--reason", "looked")
        #expect(result.out == "Signup 4 goes on at \(step). See: embark why 4\n")
        #expect(result.code == 0)
        #expect(try await texts("SELECT step FROM embark.jobs WHERE signup_id = 4") == [step])
        #expect(try await texts("SELECT reason FROM embark.audit WHERE action = 'resolve'") == ["looked"])
    }

    @Test func `A test message's warning is set right, and the card says how`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.signups SET warnings = '{test_message_uncertain}' WHERE id = 2")
        #expect(try await Command.run("why", "2").out.contains("embark resolve 2 --did-not-happen"))
        let result = try await Command.run("resolve", "completed-one", "--did-not-happen", "-o", "json")
        #expect(try result.object()["goes_on_at"] as? String == "completed")
        #expect(
            try await texts("SELECT array_to_string(warnings, ' ') FROM embark.signups WHERE id = 2") == [
                "test_message_failed"
            ]
        )
    }

    @Test(arguments: [("4", Int32(2), "nothing is uncertain"), ("99", 3, "embark signup list")])
    func `What cannot be resolved is refused`(id: String, code: Int32, says: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("resolve", id, "--happened")
        #expect(result.code == code)
        #expect(result.err.contains(says))
    }
}
