/// Customers are onboarded, end to end: SQL in, worker processes, a Graph API over HTTP, outcomes out.
import Foundation
import GraphSimulator
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured))
struct OnboardingTests {
    @Test
    func `Two workers onboard two hundred customers, each effect once, and workers after them find nothing to do`()
        async throws
    {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...200, messageEvery: 4)
            async let first = WorkerProcess.run(platform)
            async let second = WorkerProcess.run(platform)
            #expect(try await [first.code, second.code] == [0, 0])
            #expect(
                try await texts("SELECT state || ' ' || count(*) FROM embark.signups GROUP BY state") == [
                    "completed 200"
                ]
            )
            #expect(
                try await texts("SELECT type || ' ' || count(*) FROM embark.outcomes_since(0, 1000) GROUP BY type") == [
                    "signup.completed 200"
                ]
            )

            for (effect, key, count) in [
                ("exchange_code", "code", 200), ("subscribe_app", "waba_id", 200),
                ("assign_system_user", "waba_id", 200),
                ("share_credit_line", "waba_id", 200), ("register_phone", "phone_number_id", 200),
                ("send_test_message", "phone_number_id", 50),
            ] {
                let counts = try platform.effects(effect, by: key)
                #expect(counts.count == count, "\(effect)")
                #expect(counts.values.allSatisfy { $0 == 1 }, "\(effect) happened twice")
            }
            #expect(Set(try platform.ledger("request").map { $0["user_agent"] }) == ["embark/0.1.0"])

            let calls = platform.simulator.ledger.count
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(platform.simulator.ledger.count == calls, "a worker that starts later makes no call")
        }
    }

    @Test func `Calls that fail in passing are made again, and none that had its effect`() async throws {
        let faults = #"""
            {"subscribe_app": ["http500", "html502", "reset_after"], "debug_token": ["code:2", "truncated"],
             "assign_system_user": ["reset_before"], "share_credit_line": ["reset_after", "code:131016"],
             "register_phone": ["reset_after"], "read_phone": ["bad_json"]}
            """#
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...10, messageEvery: 1)
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["completed"])
            for (effect, key) in [
                ("exchange_code", "code"), ("share_credit_line", "waba_id"), ("register_phone", "phone_number_id"),
                ("send_test_message", "phone_number_id"),
            ] {
                let counts = try platform.effects(effect, by: key)
                #expect(counts.count == 10 && counts.values.allSatisfy { $0 == 1 }, "\(effect): \(counts)")
            }
        }
    }

    @Test(arguments: [
        ("pin424242", "111111", "register_phone 133005 customer"), ("expired", nil, "exchange_code 100/36007 customer"),
    ])
    func `A signup that only the customer can mend says so`(end: String, pin: String?, expected: String) async throws {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1, end: end, pin: pin, namesBusiness: false)
            #expect(try await WorkerProcess.run(platform).code == 0)
            let found = try await texts(
                "SELECT step || ' ' || error_code || ' ' || waiting_on FROM embark.signup_status"
            )
            #expect(found == [expected])
            #expect(
                try await texts("SELECT error_code || ' ' || waiting_on FROM embark.outcomes_since(0, 9)").count == 1
            )
            #expect(try platform.effects("register_phone", by: "phone_number_id").isEmpty)
        }
    }

    @Test(arguments: [
        ("silent", #"{"exchange_code": ["reset_after"]}"#), ("refused", #"{"exchange_code": ["code:2"]}"#),
    ])
    func `A code whose answer was lost is never sent again`(name: String, faults: String) async throws {
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...1, namesBusiness: false)
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try platform.ledger("request").count { $0["endpoint"] == "exchange_code" } == 1)
            #expect(
                try await texts("SELECT error_code || ' ' || waiting_on FROM embark.signup_status") == [
                    "code_spent customer"
                ]
            )
            #expect(try await texts("SELECT coalesce(code, 'erased') FROM embark.secrets") == ["erased"])
        }
    }

    @Test(arguments: [
        #"{"exchange_code": ["reset_after"]}"#, #"{"exchange_code": ["silent_after"]}"#,
        #"{"exchange_code": ["code:2"]}"#,
        #"{"exchange_code": ["malformed"]}"#,
        // The answer to the recovery is lost, too, and comes late.
        #"{"exchange_code": ["reset_after"], "recover_token": ["reset_after", "http500"], "debug_token": ["html502"]}"#,
    ])
    func `A lost token is recovered where the business is known, and the code was sent once`(
        faults: String
    ) async throws {
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...1)
            #expect(try await WorkerProcess.run(platform).code == 0)
            #expect(try await texts("SELECT state::text FROM embark.signups") == ["completed"])
            #expect(try platform.ledger("request").count { $0["endpoint"] == "exchange_code" } == 1)
            #expect(try platform.effects("exchange_code", by: "code").values.allSatisfy { $0 == 1 })
            #expect(try platform.effects("share_credit_line", by: "waba_id") == [Customer.wabaID(1): 1])
            #expect(try await texts("SELECT coalesce(code, 'erased') FROM embark.secrets") == ["erased"])
        }
    }

    @Test func `Two signups of one account share its credit line once`() async throws {
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1, end: "a")
            try await Customer.enqueue(1...1, end: "b")
            async let first = WorkerProcess.run(platform)
            async let second = WorkerProcess.run(platform)
            // The one that came second reads the account again a minute later: no need to wait for it here.
            async let hurried: Void = eventually("both have shared or seen the share", within: .seconds(30)) {
                try await withConnection { connection in
                    try await connection.script(
                        """
                        UPDATE embark.jobs SET due_at = now()
                         WHERE lease_id IS NULL AND EXISTS (
                               SELECT FROM embark.credit_shares WHERE allocation_config_id IS NOT NULL)
                        """
                    )
                    return try await connection.value("SELECT count(*) FROM embark.jobs", as: Int64.self) == 0
                }
            }
            #expect(try await [first.code, second.code] == [0, 0])
            try await hurried
            let ends = try await texts(
                "SELECT concat_ws(' ', state, step, error_code, error_message) FROM embark.signup_status"
            )
            #expect(ends == ["completed", "completed"])
            #expect(try platform.effects("share_credit_line", by: "waba_id") == [Customer.wabaID(1): 1])
            #expect(try platform.effects("register_phone", by: "phone_number_id") == [Customer.phoneID(1): 1])
        }
    }

    @Test func `Two signups of one number register it once, however close together they are`() async throws {
        try await withConnection { connection in
            let installation = Installation(partnerMode: .techProvider, appID: "1234567890")
            try await InstallationStore.write(installation, on: connection)
        }
        // Both have read that the number is not connected before the first call to register has ended.
        try await SimulatedPlatform.with(latency: .milliseconds(200)) { platform in
            try await Customer.enqueue(1...1, end: "a")
            try await Customer.enqueue(1...1, end: "b")
            async let first = WorkerProcess.run(platform)
            async let second = WorkerProcess.run(platform)
            #expect(try await [first.code, second.code] == [0, 0])
            #expect(try await texts("SELECT state::text FROM embark.signups") == ["completed", "completed"])
            #expect(try platform.ledger("request").count { $0["endpoint"] == "register_phone" } == 1)
            #expect(try await count("embark.register_calls") == 1)
            // If one had to wait, it was charged nothing for it.
            let waits = try await texts(
                "SELECT attempt::text FROM embark.attempts WHERE error_code = 'register_elsewhere'"
            )
            #expect(waits.allSatisfy { $0 == "1" })
        }
    }
}
