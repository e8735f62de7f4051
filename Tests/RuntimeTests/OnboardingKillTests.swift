/// A worker is killed at each point between two side effects, at each step: nothing is lost, nothing is doubled.
import Foundation
import Onboarding
import Postgres
import Support
import Testing

@Suite(.database(.configured))
struct OnboardingKillTests {
    struct Death: Sendable, CustomTestStringConvertible {
        let at: String
        let ends: String
        var testDescription: String { "\(at) → \(ends)" }
    }

    /// By hand. The exchange and the message may have had their effect once they were marked as sent, and nothing can tell;
    /// everything else can be read back or sets a state.
    static let deaths: [Death] = [
        Death(at: "claim:exchange_code", ends: "completed"),
        Death(at: "sent_mark:exchange_code", ends: "failed code_spent customer"),
        Death(at: "effect:exchange_code", ends: "completed"),
        Death(at: "settle:exchange_code", ends: "completed"),
        Death(at: "claim:verify_grant", ends: "completed"),
        Death(at: "sent_mark:debug_token", ends: "completed"),
        Death(at: "effect:phone_numbers", ends: "completed"),
        Death(at: "settle:verify_grant", ends: "completed"),
        Death(at: "claim:subscribe_app", ends: "completed"),
        Death(at: "sent_mark:subscribe_app", ends: "completed"),
        Death(at: "effect:subscribe_app", ends: "completed"),
        Death(at: "settle:subscribe_app", ends: "completed"),
        Death(at: "claim:assign_system_user", ends: "completed"),
        Death(at: "sent_mark:assign_system_user", ends: "completed"),
        Death(at: "effect:assign_system_user", ends: "completed"),
        Death(at: "settle:assign_system_user", ends: "completed"),
        Death(at: "claim:share_credit_line", ends: "completed"),
        Death(at: "sent_mark:share_credit_line", ends: "completed"),
        Death(at: "effect:share_credit_line", ends: "completed"),
        Death(at: "settle:share_credit_line", ends: "completed"),
        Death(at: "claim:register_phone", ends: "completed"),
        Death(at: "sent_mark:register_phone", ends: "completed"),
        Death(at: "effect:register_phone", ends: "completed"),
        Death(at: "settle:register_phone", ends: "completed"),
        Death(at: "claim:send_test_message", ends: "completed"),
        Death(at: "sent_mark:send_test_message", ends: "completed test_message_uncertain"),
        Death(at: "effect:send_test_message", ends: "completed test_message_uncertain"),
        Death(at: "settle:send_test_message", ends: "completed test_message_uncertain"),
    ]

    @Test(arguments: deaths)
    func `A worker that dies there loses nothing and doubles nothing`(death: Death) async throws {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1, messageEvery: 1)
            let killed = try await WorkerProcess.run(platform, environment: ["EMBARK_TEST_KILL": death.at])
            #expect(killed.code == nil, "the worker was to die by a signal: \(killed.err)")
            // The lease would end by itself, and a share be looked for again a minute later: the rows move, not the clock.
            try await withConnection { connection in
                try await connection.script(
                    """
                    UPDATE embark.jobs SET due_at = now();
                    UPDATE embark.credit_shares SET sent_at = sent_at - interval '61 s'
                    """
                )
            }
            #expect(try await WorkerProcess.run(platform).code == 0)
            let state = try await texts(
                """
                SELECT concat_ws(' ', state, error_code, waiting_on, nullif(array_to_string(warnings, ' '), ''))
                  FROM embark.signup_status
                """
            )
            #expect(state == [death.ends])
            for (effect, key) in [
                ("exchange_code", "code"), ("share_credit_line", "waba_id"), ("register_phone", "phone_number_id"),
                ("send_test_message", "phone_number_id"),
            ] {
                #expect(try platform.effects(effect, by: key).values.allSatisfy { $0 == 1 }, "\(effect) happened twice")
            }
        }
    }
}
