/// Pauses in real workers: a limit that Graph names, credentials that it refuses, and what an operator pauses by hand.
import AsyncHTTPClient
import Foundation
import GraphSimulator
import NIOCore
import NIOHTTP1
import Onboarding
import OnboardingRuntime
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10)))
struct ThrottleRunTests {
    // MARK: Looking

    /// When calls were made that count against the account; an exchange and an inspection come before it is known.
    private static func callTimes(_ platform: SimulatedPlatform, of n: Int) throws -> [Double] {
        let ofNoAccount = ["exchange_code", "debug_token", "recover_token"]
        return try platform.ledger("request").compactMap { request in
            guard request["account"] == Customer.wabaID(n), let endpoint = request["endpoint"],
                !ofNoAccount.contains(endpoint)
            else { return nil }
            return Double(request["at"] ?? "")
        }
    }

    private static func calls(_ platform: SimulatedPlatform, to endpoint: String) throws -> Int {
        try platform.ledger("request").count { $0["endpoint"] == endpoint }
    }

    private static func isReady(_ worker: RunningWorker) async throws {
        try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
    }

    /// Before it knows of a pause a worker may begin a call: what is enqueued later meets the pause.
    private static func knowsOfPause(_ kind: String, _ worker: RunningWorker) async throws {
        try await eventually("the worker knows that \(kind) rests", within: .seconds(10)) {
            let metrics = try await worker.get("/metrics")?.body ?? ""
            let prefix = "embark_throttled_seconds{scope_kind=\"\(kind)\"} "
            let line = metrics.split(separator: "\n").first { $0.hasPrefix(prefix) }
            guard let line, let seconds = Double(line.dropFirst(prefix.count)) else { return false }
            return seconds > 0
        }
    }

    private static func command(_ arguments: String...) async throws {
        let result = try await Command.run(arguments, database: TestDatabase.current.url)
        #expect(result.code == 0, "\(arguments): \(result.err)")
    }

    private static func completed(_ number: Int64, within limit: Duration) async throws {
        try await eventually("\(number) are completed", within: limit) {
            try await count("embark.signups WHERE state = 'completed'") == number
        }
    }

    // MARK: What Graph says

    /// The pause of the first test: long enough for the other account to be done in it on a busy machine.
    private static let minutes = 0.1
    private static let seconds = 6.0
    /// Calls on their way when the limit is hit, in the other process as well until it has heard of it.
    private static let inFlightSeconds = 0.5
    /// A put-off job comes back within half the pause behind its end, and then has its calls to make.
    private static let returnSeconds = seconds / 2 + 5

    @Test func `A limit of one account holds every process back for as long as Graph says, and no other account`()
        async throws
    {
        try await withConnection { connection in
            // Without a credit line: the second signup of an account waits a minute for the first one's share.
            let installation = Installation(partnerMode: .techProvider, appID: "1234567890")
            try await InstallationStore.write(installation, on: connection)
        }
        let header =
            #"{"\#(Customer.wabaID(1))":[{"type":"whatsapp_business_management","call_count":10,"total_cputime":1,"#
            + #""total_time":1,"estimated_time_to_regain_access":\#(Self.minutes)}]}"#
        let plan = ["subscribe_app@\(Customer.wabaID(1))": ["usage_raw:\(header)"]]
        let faults = String(decoding: try JSONEncoder().encode(plan), as: UTF8.self)
        try await SimulatedPlatform.with(faults: faults, latency: .milliseconds(50)) { platform in
            let url = TestDatabase.current.url
            // Few enough that one worker cannot take them all.
            let environment = ["EMBARK_CONCURRENCY": "3"]
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: url,
                environment: environment
            ) { first in
                let other = try await RunningWorker.with(
                    graph: platform.url,
                    database: url,
                    environment: environment
                ) { second in
                    try await Self.isReady(first)
                    try await Self.isReady(second)
                    try await Self.enqueue(ofFirst: 6, ofSecond: 3)
                    try await Self.completed(9, within: .seconds(60))
                }
                #expect(other.code == 0)
            }
            #expect(result.code == 0)

            let throttled = try platform.ledger("fault")
            #expect(throttled.count == 1)
            let hit = try #require(throttled.first.flatMap { Double($0["at"] ?? "") })
            let end = hit + Self.seconds
            let times = try Self.callTimes(platform, of: 1)
            let early = times.filter { $0 > hit + Self.inFlightSeconds && $0 < end }.map { $0 - hit }
            #expect(early.isEmpty, "calls so many seconds after the limit was hit: \(early)")
            #expect(times.contains { $0 >= end }, "nothing was held back")
            let last = try #require(times.max())
            #expect(last < end + Self.returnSeconds, "the last call came \(last - end) s after the pause")
            let others = try Self.callTimes(platform, of: 2)
            let lastOfOthers = try #require(others.max())
            #expect(lastOfOthers < end, "the other account was held up")

            // Both processes had signups of the account, and no waiting was charged.
            let workers = try await texts(
                """
                SELECT count(DISTINCT a.worker_id)::text FROM embark.attempts AS a
                  JOIN embark.signups AS s ON s.id = a.signup_id WHERE s.waba_id = '\(Customer.wabaID(1))'
                """
            )
            #expect(workers == ["2"])
            #expect(try await count("embark.attempts WHERE verdict = 'throttle'") >= 6)
            #expect(try await count("embark.attempts WHERE verdict = 'throttle' AND attempt <> 1") == 0)
        }
    }

    /// Signups of two accounts, each for a number of its own, with one statement.
    private static func enqueue(ofFirst first: Int, ofSecond second: Int) async throws {
        let numbers = (1...first).map { (1, 100 + $0) } + (1...second).map { (2, 200 + $0) }
        let rows = numbers.map { account, number in
            let (wabaID, phoneID) = (Customer.wabaID(account), Customer.phoneID(number))
            return "('\(wabaID).\(phoneID).\(Customer.businessID(account)).code', '\(wabaID)', '\(phoneID)')"
        }
        try await script(
            "INSERT INTO embark.signup_inbox (code, waba_id, phone_number_id) VALUES \(rows.joined(separator: ", "))"
        )
    }

    @Test func `A system token that is refused burns no code and fails nobody, and its renewal lets all go on`()
        async throws
    {
        let faults = #"{"assign_system_user": {"code:190": 1.0}, "recover_token": {"code:190": 1.0}}"#
        try await SimulatedPlatform.with(faults: faults) { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_CONCURRENCY": "4"]
            ) { worker in
                try await Self.isReady(worker)
                try await Customer.enqueue(1...20)
                try await eventually("all tokens wait for the renewal", within: .seconds(60)) {
                    try await count("embark.jobs WHERE step = 'assign_system_user' AND lease_id IS NULL") == 20
                }
                let exchanges = try platform.effects("exchange_code", by: "code")
                #expect(exchanges.count == 20 && exchanges.values.allSatisfy { $0 == 1 }, "\(exchanges)")
                #expect(try Self.calls(platform, to: "exchange_code") == 20)
                #expect(try await texts("SELECT DISTINCT state::text FROM embark.signups") == ["running"])
                #expect(try await count("embark.secrets WHERE sealed_token IS NOT NULL AND code IS NULL") == 20)
                // No more than were in this worker's hands when the first was refused: four, and one for codes.
                let tried = try Self.calls(platform, to: "assign_system_user")
                #expect((1...5).contains(tried), "\(tried) calls to assign_system_user")

                let doctor = try await Command.run("doctor", "-o", "jsonl")
                #expect(doctor.code == 1)
                let findings = try doctor.objectLines()
                let finding = findings.first { $0["check"] as? String == "credentials" }
                #expect(finding?["level"] as? String == "FAIL", "\(doctor.out)")
                #expect((finding?["message"] as? String)?.hasPrefix("system rests for") == true)
                let metrics = try await worker.get("/metrics")?.body ?? ""
                let prefix = "embark_credentials_refused_total{scope=\"system\"} "
                let line = metrics.split(separator: "\n").first { $0.hasPrefix(prefix) }
                let refused = line.flatMap { Double($0.dropFirst(prefix.count)) }
                #expect((1...5).contains(refused ?? 0), "\(metrics)")

                try await Self.endFaults(platform)
                // What a worker has met itself it keeps for a second, whatever the database says.
                try await eventually("the pause is two seconds old", within: .seconds(10)) {
                    try await count(
                        """
                        embark.throttles WHERE scope = 'system' AND credentials
                           AND until < clock_timestamp() + interval '298 s'
                        """
                    ) == 1
                }
                try await Self.command("resume", "system", "--reason", "the token is renewed")
                try await Self.completed(20, within: .seconds(60))
            }
            #expect(result.code == 0)
            let errors = try result.logLines().filter { $0["level"] as? String == "error" }
            let message = "our own credentials were refused, what needs them rests"
            #expect(errors.contains { $0["message"] as? String == message }, "\(errors)")
            for (effect, key) in [("exchange_code", "code"), ("assign_system_user", "waba_id")] {
                let counts = try platform.effects(effect, by: key)
                #expect(counts.count == 20 && counts.values.allSatisfy { $0 == 1 }, "\(effect): \(counts)")
            }
            #expect(try Self.calls(platform, to: "recover_token") == 0)
        }
    }

    private static func endFaults(_ platform: SimulatedPlatform) async throws {
        var request = HTTPClientRequest(url: "\(platform.url)/simulator/faults")
        request.method = .PUT
        request.body = .bytes(ByteBuffer(string: "{}"))
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
        #expect(response.status.code == 200)
    }

    @Test func `A refused app secret costs one code, and no other is sent while it lasts`() async throws {
        try await SimulatedPlatform.with(faults: #"{"exchange_code": ["wrong_secret"]}"#) { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url
            ) { worker in
                try await Self.isReady(worker)
                try await Customer.enqueue(1...1)
                try await eventually("the first has failed", within: .seconds(20)) {
                    try await count("embark.signups WHERE state = 'failed' AND waiting_on = 'operator'") == 1
                }
                #expect(try await count("embark.throttles WHERE scope = 'app' AND credentials") == 1)
                try await Customer.enqueue(2...5)
                // Longer than a worker polls, and than it keeps a pause that the database does not know of.
                let looked = ContinuousClock.now + .seconds(1.5)
                try await eventually("it has looked more than once", within: .seconds(10)) {
                    let calls = try Self.calls(platform, to: "exchange_code")
                    #expect(calls == 1)
                    return .now > looked
                }
                #expect(try await count("embark.jobs WHERE lane = 0 AND attempt = 0 AND lease_id IS NULL") == 4)
                try await Self.command("resume", "app", "--reason", "the secret is set anew")
                try await Self.completed(4, within: .seconds(30))
            }
            #expect(result.code == 0)
            #expect(try Self.calls(platform, to: "exchange_code") == 5)
        }
    }

    // MARK: What an operator says

    @Test func `A pause by hand holds one account back and no other, and its end lets it go at once`() async throws {
        let account = "waba:\(Customer.wabaID(1))"
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url
            ) { worker in
                try await Self.isReady(worker)
                try await Self.command("pause", account, "--for", "1h", "--reason", "they asked us to wait")
                try await Self.knowsOfPause("waba", worker)
                try await Customer.enqueue(1...2)
                try await eventually("the other is completed", within: .seconds(20)) {
                    try await count(
                        "embark.signups WHERE state = 'completed' AND waba_id = '\(Customer.wabaID(2))'"
                    ) == 1
                }
                try await eventually("the paused one is put off to the pause's end", within: .seconds(20)) {
                    try await count(
                        "embark.jobs WHERE lease_id IS NULL AND due_at > clock_timestamp() + interval '50 min'"
                    ) == 1
                }
                #expect(try Self.callTimes(platform, of: 1).isEmpty)
                // Its code cannot wait, and counts against no account.
                #expect(try platform.effects("exchange_code", by: "waba_id").count == 2)
                try await Self.command("resume", account)
                try await Self.completed(2, within: .seconds(10))
            }
            #expect(result.code == 0)
            #expect(
                try await texts(
                    "SELECT concat_ws(' ', action, scope) FROM embark.audit WHERE scope IS NOT NULL ORDER BY id"
                ) == ["pause \(account)", "resume \(account)"]
            )
        }
    }

    @Test func `A code that dies while everything rests is told to the customer, unless its token can be recovered`()
        async throws
    {
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url
            ) { worker in
                try await Self.isReady(worker)
                try await Self.command("pause", "app", "--for", "1h", "--reason", "an outage of Meta's")
                try await Self.knowsOfPause("app", worker)
                try await Customer.enqueue(1...1, namesBusiness: false)
                try await Customer.enqueue(2...2)
                // Half a minute has passed, for both in the same transaction.
                try await script(
                    """
                    UPDATE embark.signups SET code_issued_at = code_issued_at - interval '31 s';
                    UPDATE embark.jobs SET give_up_at = clock_timestamp() - interval '1 s'
                    """
                )
                // The housekeeping comes twice a second; the rest is for a busy machine.
                try await eventually("upstream can read it", within: .seconds(3)) {
                    try await count("embark.outcomes_since(0, 9)") > 0
                }
                let outcomes = try await texts(
                    """
                    SELECT concat_ws(' ', s.waba_id, o.type, o.error_code, o.waiting_on)
                      FROM embark.outcomes AS o JOIN embark.signups AS s ON s.id = o.signup_id
                    """
                )
                #expect(outcomes == ["\(Customer.wabaID(1)) signup.failed code_expired customer"])
                let left = try await texts(
                    """
                    SELECT concat_ws(' ', s.waba_id, s.state, j.step, coalesce(s.error_code, 'no error'))
                      FROM embark.jobs AS j JOIN embark.signups AS s ON s.id = j.signup_id
                    """
                )
                #expect(left == ["\(Customer.wabaID(2)) running exchange_code no error"])
                let codes = try await texts("SELECT code FROM embark.secrets WHERE code IS NOT NULL")
                #expect(codes == [Customer.code(2)])
                #expect(try platform.ledger("request").isEmpty)

                // And its token is asked for when everything goes on.
                try await Self.command("resume", "app", "--reason", "it is over")
                try await eventually("the token is asked for", within: .seconds(20)) {
                    try Self.calls(platform, to: "recover_token") > 0
                }
                #expect(try Self.calls(platform, to: "exchange_code") == 0)
            }
            #expect(result.code == 0)
        }
    }
}
