/// Whose slots are whose: all of them are in use while work is due, and a code finds one also when nothing else does.
import Foundation
import NIOCore
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct WorkerSlotsTests {
    private static let concurrency = 8
    private static let environment = ["EMBARK_CONCURRENCY": "\(concurrency)", "EMBARK_LOG_LEVEL": "warning"]

    private func leased() async throws -> Int {
        Int(try await count("embark.jobs WHERE lease_id IS NOT NULL"))
    }

    @Test
    func `A code is exchanged while every other slot hangs, a quarter more at a time, and nothing else takes those`()
        async throws
    {
        let hang = (1...Self.concurrency).map { #""subscribe_app@\#(Customer.wabaID($0))": ["silent_before"]"# }
        try await SimulatedPlatform.with(
            faults: "{\(hang.joined(separator: ", "))}",
            latency: .milliseconds(50)
        ) { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: Self.environment
            ) { worker in
                try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                try await Customer.enqueue(1...Self.concurrency)
                try await eventually("all calls hang", within: .seconds(20)) {
                    try await count("embark.jobs WHERE step = 'subscribe_app' AND lease_id IS NOT NULL")
                        == Int64(Self.concurrency)
                }
                let inspections = try platform.ledger("request").count { $0["endpoint"] == "debug_token" }
                #expect(inspections == Self.concurrency)
                try await Customer.enqueue(9...14)
                try await eventually("six more codes are exchanged", within: .seconds(8)) {
                    let held = try await leased()
                    #expect(held <= Self.concurrency + Self.concurrency / 4, "\(held) jobs are in its hands")
                    return try platform.effects("exchange_code", by: "code").count == 14
                }
                // Their next steps wait for a slot of their own: the others hang still.
                #expect(try await count("embark.jobs WHERE step = 'subscribe_app' AND lease_id IS NOT NULL") == 8)
                let after = try platform.ledger("request").count { $0["endpoint"] == "debug_token" }
                #expect(after == inspections)
                try await eventually("all are completed", within: .seconds(60)) {
                    try await count("embark.signups WHERE state = 'completed'") == 14
                }
            }
            #expect(result.code == 0)
        }
    }

    @Test func `All slots are in use as long as work is due`() async throws {
        try await SimulatedPlatform.with(latency: .milliseconds(100)) { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: Self.environment
            ) { worker in
                try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                try await Customer.enqueue(1...48)
                var looks: [Int] = []
                try await eventually("all are completed", within: .seconds(60)) {
                    let held = try await leased()
                    #expect(held <= Self.concurrency + Self.concurrency / 4)
                    // What counts is the time while there is more than it can take.
                    if try await count("embark.jobs WHERE lease_id IS NULL AND due_at <= now()") > 0 {
                        looks.append(held)
                    }
                    return try await count("embark.jobs") == 0
                }
                #expect(looks.count > 10)
                let sorted = looks.sorted()
                #expect(sorted[sorted.count / 2] >= Self.concurrency, "in its hands, look by look: \(looks)")
            }
            #expect(result.code == 0)
        }
    }
}
