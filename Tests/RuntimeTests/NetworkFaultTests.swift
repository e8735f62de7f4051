/// The way between a worker and its database is long, half open, or cut while a commit is on it.
import Foundation
import NIOCore
import Onboarding
import Postgres
import SQL
import Subprocess
import Support
import Testing

@Suite(.timeLimit(.minutes(10)))
struct NetworkFaultTests {
    @Test func `With a tenth of a second each way to the database all is done once`() async throws {
        try await TestDatabase.with(.configured) {
            let proxy = try WireProxy(to: TestDatabase.current.url, latency: .milliseconds(100))
            defer { proxy.close() }
            try await SimulatedPlatform.with(latency: .milliseconds(20)) { platform in
                let result = try await RunningWorker.with(graph: platform.url, database: proxy.url) { worker in
                    try await eventually("it is ready", within: .seconds(30)) { try await worker.isReady() }
                    try await Customer.enqueue(1...12, messageEvery: 2)
                    try await eventually("all are completed", within: .seconds(60)) {
                        try await count("embark.jobs") == 0
                    }
                }
                #expect(result.code == 0)
                #expect(
                    try result.logLines().allSatisfy { $0["level"] as? String != "error" },
                    "\(result.err.suffix(2000))"
                )
                let others = try await texts(
                    "SELECT DISTINCT concat_ws(' ', step, verdict, error_code, error_message) FROM embark.attempts WHERE verdict <> 'done'"
                )
                #expect(others.isEmpty, "\(others)")
                try await Unharmed.check(platform, signups: 12)
            }
        }
    }

    @Test func `A network that is half open is noticed within 20 seconds, and nothing is doubled`()
        async throws
    {
        try await TestDatabase.with(.configured) {
            let url = TestDatabase.current.url
            let proxy = try TCPProxy(to: UInt16(try #require(URLComponents(string: url)?.port)))
            defer { proxy.close() }
            let through = try proxy.url(for: url)
            try await SimulatedPlatform.with(latency: .milliseconds(100)) { platform in
                let stuck = try await RunningWorker.with(graph: platform.url, database: through) { stuck in
                    try await eventually("it is ready", within: .seconds(20)) { try await stuck.isReady() }
                    try await Customer.enqueue(1...30, messageEvery: 2)
                    try await eventually("it works", within: .seconds(20)) {
                        try await count("embark.attempts") > 40
                    }
                    proxy.freeze()
                    let frozen = ContinuousClock.now
                    try await eventually("it has noticed", within: .seconds(20)) { try await !stuck.isReady() }
                    #expect(.now - frozen < .seconds(20))
                    let other = try await RunningWorker.with(graph: platform.url, database: url) { _ in
                        // Its presence is still held: what it had is taken when the leases end.
                        try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(60))
                    }
                    #expect(other.code == 0)
                    try await eventually("it has been half open for long enough", within: .seconds(20)) {
                        .now - frozen > .seconds(16)
                    }
                    proxy.thaw()
                    try await eventually("it is ready again", within: .seconds(10)) { try await stuck.isReady() }
                    try await Customer.enqueue(31...31)
                    try await eventually("it works again", within: .seconds(20)) { try await count("embark.jobs") == 0 }
                }
                #expect(stuck.code == 0)
                try await Unharmed.check(platform, signups: 31)
            }
        }
    }
}

/// The connection is lost in the middle of a statement that commits: before the server has it, and after the commit. Nobody at
/// this end can tell the two apart, and both have to end well.
@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct LostCommitTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let statement: String
        let sql: String
        let loss: WireProxy.Loss
        /// Of which one, of those that a run of a signup makes.
        var number = 0

        var testDescription: String { "\(statement) \(number + 1), \(loss) lost" }
    }

    private static func cases(_ statement: String, _ file: SQL.File, _ numbers: ClosedRange<Int> = 0...0) -> [Case] {
        numbers.flatMap { number in
            WireProxy.Loss.allCases.map { Case(statement: statement, sql: file.text, loss: $0, number: number) }
        }
    }

    /// What a worker commits on behalf of a signup: seven results, two sent marks, what a share and a registration need, its
    /// PIN, and the numbering of its outcome.
    static let commits =
        cases("settle", SQL.settle, 0...6) + cases("sent mark", SQL.markSent, 0...1)
        + cases("credit share", SQL.reserveCreditShare) + cases("register call", SQL.countRegisterCall)
        + cases("sealed PIN", SQL.sealPIN) + cases("claim", SQL.claim) + cases("outcomes", SQL.numberOutcomes)

    @Test(arguments: commits)
    func `Of a worker's commit nobody knows whether it happened: all happens once, and the signup is completed`(
        one: Case
    ) async throws {
        let proxy = try WireProxy(to: TestDatabase.current.url)
        defer { proxy.close() }
        try await SimulatedPlatform.with { platform in
            try await Customer.enqueue(1...1, messageEvery: 1)
            proxy.lose(one.loss, of: one.sql, after: one.number)
            async let worker = Command.run(
                ["worker", "--until-idle"],
                database: proxy.url,
                environment: WorkerProcess.environment(graph: platform.url)
            )
            try await Hurry.untilIdle(leasesOlderThan: .seconds(2), within: .seconds(60))
            let result = try await worker
            #expect(result.code == 0, "\(result.err.suffix(2000))")
            #expect(proxy.losses == 1, "the statement was not met")
            try await Unharmed.check(platform, signups: 1)
            #expect(try await texts("SELECT array_to_string(warnings, ' ') FROM embark.signups") == [""])
            // What the worker believes is what the database has: no result of its own was foreign to it.
            #expect(try await count("embark.attempts WHERE verdict = 'stale'") == 0)
            #expect(try await count("embark.attempts WHERE verdict = 'done'") == 7)
            #expect(try await count("embark.credit_shares WHERE posts > 2") == 0)
        }
    }

    @Test(arguments: WireProxy.Loss.allCases)
    func `Leases that a drain gives back are another worker's, whether or not they were given back`(
        loss: WireProxy.Loss
    ) async throws {
        let proxy = try WireProxy(to: TestDatabase.current.url)
        defer { proxy.close() }
        let faults = #"{"subscribe_app": ["silent_before", "silent_before", "silent_before"]}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            try await Customer.enqueue(1...3)
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: proxy.url,
                environment: ["EMBARK_DRAIN_SECONDS": "1"]
            ) { worker in
                try await eventually("all calls hang", within: .seconds(20)) {
                    try await count("embark.jobs WHERE step = 'subscribe_app' AND lease_id IS NOT NULL") == 3
                }
                proxy.lose(loss, of: SQL.giveBack.text)
                try worker.send(.terminate)
            }
            #expect(result.code == 0, "\(result.err.suffix(2000))")
            #expect(proxy.losses == 1)
            let held = try await count("embark.jobs WHERE lease_id IS NOT NULL")
            #expect(held == (loss == .answer ? 0 : 3))
            #expect(try await texts("SELECT DISTINCT verdict FROM embark.attempts") == ["done"])
            async let again = WorkerProcess.run(platform)
            try await Hurry.untilIdle(leasesOlderThan: .seconds(2), within: .seconds(60))
            #expect(try await again.code == 0)
            try await Unharmed.check(platform, signups: 3)
        }
    }

    @Test(arguments: WireProxy.Loss.allCases, [true, false])
    func `A signup that is added is told as neither added nor not, and by its key it is one`(
        loss: WireProxy.Loss,
        hasKey: Bool
    ) async throws {
        let proxy = try WireProxy(to: TestDatabase.current.url)
        defer { proxy.close() }
        let add =
            ["signup", "add", "--code", Customer.code(1), "--currency", "USD", "--waba-id", Customer.wabaID(1)]
            + (hasKey ? ["--external-id", "acme-1"] : [])
        proxy.lose(loss, of: SQL.enqueueSignup.text)
        let lost = try await Command.run(add, database: proxy.url)
        #expect(proxy.losses == 1)
        #expect(lost.out == "")
        #expect(lost.code == 69)
        #expect(lost.err.hasPrefix("embark: the database's answer was lost: enqueue_signup: "), "\(lost.err)")
        #expect(
            lost.err.hasSuffix(
                hasKey
                    ? "enqueued or not. Run the same command again: by its external id it is one signup.\n"
                    : "enqueued or not. Look before you send it again: embark signup list\n"
            ),
            "\(lost.err)"
        )
        let stored = try await count("embark.signups")
        #expect(stored == (loss == .answer ? 1 : 0))
        guard hasKey else { return }
        let again = try await Command.run(add, database: proxy.url)
        #expect(again.code == 0, "\(again.err)")
        #expect(try await count("embark.signups") == 1)
        #expect(try await count("embark.jobs") == 1)
    }

    @Test(arguments: WireProxy.Loss.allCases)
    func `A replay whose commit is lost is told as neither done nor not, and once more it is done once`(
        loss: WireProxy.Loss
    ) async throws {
        let proxy = try WireProxy(to: TestDatabase.current.url)
        defer { proxy.close() }
        try await script(SampleSignups.oneOfEachState)
        let id = "4"
        let generation = "SELECT concat_ws(' ', state, generation) FROM embark.signups WHERE id = \(id)"
        let replay = ["replay", id, "--reason", "Meta's outage is over"]
        proxy.lose(loss, of: "COMMIT")
        let lost = try await Command.run(replay, database: proxy.url)
        #expect(proxy.losses == 1)
        #expect(lost.code == 69)
        #expect(!lost.out.contains("It runs again"))
        #expect(lost.err.hasPrefix("embark: the database's answer was lost: "), "\(lost.err)")
        #expect(lost.err.hasSuffix("It may have been done or not. See: embark why \(id)\n"), "\(lost.err)")
        #expect(try await texts(generation) == [loss == .answer ? "running 2" : "failed 1"])
        let again = try await Command.run(replay, database: proxy.url)
        #expect(again.code == (loss == .answer ? 2 : 0), "\(again.all)")
        #expect(try await texts(generation) == ["running 2"])
        #expect(try await count("embark.jobs WHERE signup_id = \(id)") == 1)
    }
}
