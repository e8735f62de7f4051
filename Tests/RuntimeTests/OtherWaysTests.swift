/// Ways through an onboarding beside the usual one: the credit line by two calls, a customer who comes back, a number that
/// upstream had wrong.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct OtherWaysTests {
    private func completed() async throws -> Int64 { try await count("embark.signups WHERE state = 'completed'") }

    @Test(arguments: [
        "{}", #"{"share_allocation": ["reset_after"]}"#, #"{"share_allocation": ["reset_before"]}"#,
        #"{"attach_allocation": ["reset_after"]}"#, #"{"attach_allocation": ["reset_before"]}"#,
        #"{"share_allocation": ["http500"], "attach_allocation": ["silent_after"]}"#,
    ])
    func `By two calls the line is shared and attached once each, whatever answer is lost`(faults: String) async throws
    {
        try await script("UPDATE embark.installation SET credit_method = 'share-then-attach'")
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...2)
            async let worker = WorkerProcess.run(platform)
            async let hurry: Void = Hurry.untilIdle(within: .seconds(100))
            let result = try await worker
            #expect(result.code == 0)
            try await hurry
            #expect(try await completed() == 2)
            #expect(try platform.effects("share_allocation", by: "business_id").values.allSatisfy { $0 == 1 })
            #expect(try platform.effects("share_credit_line", by: "waba_id").values.sorted() == [1, 1])
            #expect(try await count("embark.signups WHERE allocation_config_id IS NOT NULL") == 2)
        }
    }

    @Test func `A customer who comes back with a new code is onboarded, under the same signup`() async throws {
        try await SimulatedPlatform.with { platform in
            try await script(
                """
                SELECT embark.enqueue_signup(code => '\(Customer.code(1, "expired"))', currency => 'USD',
                    waba_id => '\(Customer.wabaID(1))', phone_number_id => '\(Customer.phoneID(1))', external_id => 'acme-1')
                """
            )
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', state, error_code, waiting_on) FROM embark.signup_status")
                    == ["failed 100/36007 customer"]
            )
            try await script(
                "SELECT embark.renew_signup(external_id => 'acme-1', code => '\(Customer.code(1, "again"))')"
            )
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', id, state, generation) FROM embark.signup_status")
                    == ["1 completed 2"]
            )
            #expect(try platform.effects("exchange_code", by: "code") == [Customer.code(1, "again"): 1])
        }
    }

    @Test func `A wrong number is mended with the replay, and the signup goes on from where it failed`() async throws {
        try await SimulatedPlatform.with { platform in
            try await script(
                """
                SELECT embark.enqueue_signup(code => '\(Customer.code(1))', currency => 'USD',
                    waba_id => '\(Customer.wabaID(1))', phone_number_id => '\(Customer.phoneID(2))', external_id => 'acme-1')
                """
            )
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', step, error_code) FROM embark.signup_status")
                    == ["verify_grant phone_not_granted"]
            )
            let replay = try await Command.run(
                ["replay", "acme-1", "--phone-number-id", Customer.phoneID(1), "--reason", "upstream had another one"],
                database: TestDatabase.current.url
            )
            #expect(replay.code == 0, "\(replay.err)")
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', state, phone_number_id) FROM embark.signup_status")
                    == ["completed \(Customer.phoneID(1))"]
            )
            #expect(try platform.effects("exchange_code", by: "code").values.sorted() == [1], "its token was there")
        }
    }
}
