/// `embark skip` and `embark cancel`.
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandSkipCancelTests {
    @Test func `A skipped step is left out, and the plan of a later replay says so`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.signups SET failed_step = 'subscribe_app' WHERE id = 4")
        let result = try await Command.run("skip", "stuck-one", "--reason", "subscribed by hand", "-o", "json")
        #expect(try result.object()["skipped_step"] as? String == "subscribe_app")
        #expect(try result.object()["goes_on_at"] as? String == "share_credit_line")
        #expect(try await texts("SELECT reason FROM embark.audit WHERE action = 'skip'") == ["subscribed by hand"])
        try await script(
            """
            DELETE FROM embark.jobs WHERE signup_id = 4;
            UPDATE embark.signups SET state = 'failed', failed_step = 'register_phone', error_code = '2' WHERE id = 4
            """
        )
        let plan = try await Command.run("replay", "4", "--dry-run", "--from", "share_credit_line")
        #expect(
            plan.out == """
                REPLAY OF SIGNUP 4  stuck-one, which failed at register_phone with 2
                Done          exchange_code ✓  verify_grant ✓
                Skipped       subscribe_app
                Will run      share_credit_line again  register_phone
                Register      9 of the number's 9 calls in 72 h are left

                """
        )
        #expect(plan.code == 0)
    }

    @Test func `Behind the last step a signup is completed`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("skip", "4")
        #expect(result.out == "Signup 4 is completed, without register_phone. See: embark why 4\n")
        #expect(result.code == 0)
    }

    @Test(arguments: [("1", "subscribe_app"), ("4", "register_phone")])
    func `A signup that runs or has failed is cancelled`(id: String, step: String) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run("cancel", id, "--reason", "enqueued twice", "-o", "json")
        #expect(try result.object()["stood_at"] as? String == step)
        #expect(try await texts("SELECT state::text FROM embark.signups WHERE id = \(id)") == ["cancelled"])
        #expect(try await count("embark.secrets WHERE signup_id = \(id) AND code IS NULL") == 1)
        #expect(try await Command.run("why", id).out.contains("CANCELLED"))
        #expect(try await Command.run("replay", id).code == 2)
    }

    static let refusals: [([String], Int32, String)] = [
        (["skip", "1"], 2, "or cancel it"), (["skip", "2"], 2, "there is no step left to skip"),
        (["skip", "3"], 2, "replay it with a new code, or cancel it"), (["skip", "99"], 3, "embark signup list"),
        (["cancel", "2"], 2, "completed already: there is nothing to end"), (["cancel", "5"], 2, "cancelled already"),
        (["cancel", "nobody"], 3, "embark signup list"),
    ]

    @Test(arguments: refusals) func `What makes no sense is refused, with what would`(
        arguments: [String],
        code: Int32,
        says: String
    ) async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Command.run(arguments, database: TestDatabase.current.url)
        #expect(result.err.contains(says))
        #expect(result.code == code)
        #expect(try await count("embark.audit WHERE signup_id IS NOT NULL") == 0)
    }
}
