/// What operators do about a signup that cannot go on by itself, with real workers: replay, skip, take a share over.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct WaysOutTests {
    @Test func `A step that is skipped is left out, and the rest of the plan runs`() async throws {
        try await SimulatedPlatform.with(faults: #"{"subscribe_app": ["code:3"]}"#) { platform in
            try await Customer.enqueue(1...1)
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT failed_step FROM embark.signups") == ["subscribe_app"])
            let skipped = try await Command.run("skip", "1", "--reason", "subscribed in the app's dashboard")
            #expect(skipped.out == "Signup 1 goes on at assign_system_user, without subscribe_app. See: embark why 1\n")
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT state::text || generation FROM embark.signups") == ["completed2"])
            #expect(try platform.effects("subscribe_app", by: "waba_id") == [:])
            #expect(try platform.effects("register_phone", by: "phone_number_id").count == 1)
        }
    }

    @Test func `A signup that failed runs again under a worker, and its history stays`() async throws {
        try await SimulatedPlatform.with(faults: #"{"register_phone": ["code:133006"]}"#) { platform in
            try await Customer.enqueue(1...1)
            #expect(try await WorkerProcess.run(platform).code == 0)
            let before = try await texts("SELECT attempts::text FROM embark.attempts ORDER BY finished_at")
            #expect(try await Command.run("replay", "1", "--reason", "verified now").code == 0)
            #expect(try await WorkerProcess.run(platform).code == 0)
            let after = try await texts("SELECT attempts::text FROM embark.attempts ORDER BY finished_at")
            #expect(after.count == before.count + 1 && Array(after.prefix(before.count)) == before)
            #expect(
                try await texts("SELECT type || ' ' || generation FROM embark.outcomes ORDER BY id")
                    == ["signup.failed 1", "signup.completed 2"]
            )
        }
    }

    @Test func `A share that a cancelled signup has begun and not ended is taken over, as the card says`() async throws
    {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1)
            try await script(
                """
                SELECT embark.cancel(1);
                INSERT INTO embark.credit_shares (waba_id, signup_id, posts, sent_at)
                VALUES ('\(Customer.wabaID(1))', 1, 1, now() - interval '2 min')
                """
            )
            try await Customer.enqueue(1...1)
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT error_code FROM embark.signups WHERE id = 2") == ["credit_share_elsewhere"])
            let card = try await Command.run("why", "2").out
            #expect(card.contains("signup 1 has shared the credit line"), "\(card)")
            #expect(card.contains("embark resolve 2 --did-not-happen"), "\(card)")
            let resolved = try await Command.run("resolve", "2", "--did-not-happen", "--reason", "no line there")
            #expect(resolved.out == "Signup 2 goes on at share_credit_line. See: embark why 2\n")
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT state::text FROM embark.signups WHERE id = 2") == ["completed"])
            #expect(try platform.effects("share_credit_line", by: "waba_id") == [Customer.wabaID(1): 1])
            #expect(
                try await texts(
                    "SELECT signup_id || ' ' || (allocation_config_id IS NOT NULL) FROM embark.credit_shares"
                )
                    == ["2 true"]
            )
        }
    }
}
