/// PostgreSQL crashes, is away, and cuts its sessions, under workers that have work: what they do meanwhile and after it.
import Foundation
import NIOCore
import Onboarding
import Postgres
import Support
import Synchronization
import Testing

/// Held to seconds and less: nothing else runs beside them (scripts/test).
@Suite(.serialized, .timeLimit(.minutes(10)))
struct DatabaseOutageTests {
    /// Sessions of workers, by their name and the worker's process.
    private static func sessions(_ name: String) -> String {
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'embark \(name)' AND datname = current_database()"
    }

    private static func value(_ sql: String) async throws -> Int64 {
        try await withConnection { try await $0.value(sql, as: Int64.self) }
    }

    /// From now until the query's number is at least `wanted`.
    private static func time(until wanted: Int64, _ sql: String, within limit: Duration) async throws -> Duration {
        let start = ContinuousClock.now
        try await withConnection { connection in
            try await eventually(sql, within: limit) { try await connection.value(sql, as: Int64.self) >= wanted }
        }
        return .now - start
    }

    private static func enqueued(_ numbers: ClosedRange<Int>) async throws {
        try await Customer.enqueue(numbers, messageEvery: 3)
        try await eventually("the codes have become tokens", within: .seconds(20)) {
            try await count("embark.jobs WHERE step = 'exchange_code'") == 0
        }
    }

    // MARK: Crashes

    @Test func `PostgreSQL crashes five times under load: all is kept, and workers are back within two seconds`()
        async throws
    {
        let workers = 3
        try await PrivateServer.configured { server in
            try await SimulatedPlatform.with(latency: .milliseconds(60)) { platform in
                let results = try await RunningWorker.several(
                    workers,
                    graph: platform.url,
                    database: server.url,
                    environment: ["EMBARK_CONCURRENCY": "8"]
                ) { running in
                    for worker in running {
                        try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    }
                    for crash in 1...5 {
                        try await Self.enqueued((crash * 12 - 11)...(crash * 12))
                        let settled = try await count("embark.attempts")
                        try await eventually("work goes on", within: .seconds(20)) {
                            try await count("embark.attempts") >= settled + 4
                        }
                        try await server.stop(.immediate)
                        try await server.start()
                        let ready = ContinuousClock.now
                        let listening = try await Self.time(
                            until: Int64(workers),
                            Self.sessions("listen"),
                            within: .seconds(10)
                        )
                        _ = try await Self.time(until: Int64(workers), Self.sessions("worker"), within: .seconds(10))
                        #expect(listening < .seconds(2), "crash \(crash): they listen after \(listening)")
                        #expect(.now - ready < .seconds(2), "crash \(crash): they work after \(.now - ready)")
                        #expect(try await count("embark.signups") == Int64(crash * 12), "an enqueued signup is lost")
                    }
                    try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(60))
                    for worker in running { #expect(try await worker.isReady(), "none has exited") }
                }
                for result in results { #expect(result.code == 0, "\(result.err.suffix(500))") }
                // A message whose mark was committed and whose call was not made is in doubt, and nothing else.
                try await Unharmed.check(platform, signups: 60)
            }
        }
    }

    // MARK: Away

    /// For how long: EMBARK_TEST_AWAY_SECONDS, for hours of it as well.
    private static let awaySeconds =
        ProcessInfo.processInfo.environment["EMBARK_TEST_AWAY_SECONDS"].flatMap { Int($0) } ?? 27

    @Test func `While PostgreSQL is away a worker lives, says so once in ten seconds at most, and comes back`()
        async throws
    {
        let away = Mutex((from: Date.now, to: Date.now))
        try await PrivateServer.configured { server in
            try await SimulatedPlatform.with(latency: .milliseconds(300)) { platform in
                let result = try await RunningWorker.with(
                    graph: platform.url,
                    database: server.url,
                    environment: ["EMBARK_LOG_LEVEL": "trace", "EMBARK_CONCURRENCY": "16"]
                ) { worker in
                    try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    try await Self.enqueued(1...30)
                    // In the middle: calls are on their way, results wait for their commit. One of them is a token that nobody
                    // can have twice, and its lease is shorter than the outage.
                    try await Customer.enqueue(31...31)
                    try await eventually("the code is spent, and its answer on the way", within: .seconds(10)) {
                        try platform.effects("exchange_code", by: "code").count == 31
                    }
                    try await server.stop(.immediate)
                    let start = ContinuousClock.now
                    away.withLock { $0.from = .now }
                    try await eventually("it is not ready", within: .seconds(15)) {
                        #expect(try await worker.get("/healthz")?.status == 200)
                        return try await worker.get("/readyz")?.status == 503
                    }
                    // Its claims stop first, and that the database cannot be reached is what a call of its own finds out.
                    try await eventually("it says why", within: .seconds(15)) {
                        try await worker.get("/readyz")?.body.contains("NOT OK  database reachable") == true
                    }
                    try await eventually("it was away for long", within: .seconds(Self.awaySeconds + 1)) {
                        #expect(try await worker.get("/healthz")?.status == 200)
                        let readiness = try await worker.get("/readyz")
                        #expect(readiness?.status == 503)
                        return .now - start > .seconds(Self.awaySeconds)
                    }
                    away.withLock { $0.to = .now }
                    try await server.start()
                    let back = ContinuousClock.now
                    try await eventually("it is ready again", within: .seconds(15)) { try await worker.isReady() }
                    #expect(.now - back < .seconds(5), "it was ready after \(.now - back)")
                    try await Customer.enqueue(32...32)
                    try await eventually("it claims", within: .seconds(5)) {
                        try platform.effects("exchange_code", by: "code").count == 32
                    }
                    try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(60))
                }
                #expect(result.code == 0)
                try await Unharmed.check(platform, signups: 32)
                // Who claims a job first when the database is back fetches its token again; the one that was held is kept as late.
                let recovered = try platform.effects("recover_token", by: "business_id").values.reduce(0, +)
                let late: Int64 = try await withConnection(to: server.url) { connection in
                    try await connection.value(
                        "SELECT count(*) FROM embark.attempts WHERE step = 'exchange_code' AND verdict = 'stale'"
                    )
                }
                #expect(recovered <= Int(late), "a token was lost")
                let (from, to) = away.withLock(\.self)
                let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
                let lines = try result.logLines().compactMap { line -> (Date, String)? in
                    let time = try format.parse(try #require(line["time"] as? String))
                    guard time > from, time < to else { return nil }
                    return (time, "\(line["level"] ?? "") \(line["message"] ?? "") \(line["error"] ?? "")")
                }
                #expect(!lines.isEmpty, "it says why it does nothing")
                for (one, next) in zip(lines, lines.dropFirst()) {
                    #expect(next.0.timeIntervalSince(one.0) > 9.9, "two lines in ten seconds: \(one.1) | \(next.1)")
                }
            }
        }
    }

    // MARK: Sessions cut

    @Test func `Sessions are ended at random, LISTEN and presence among them: LISTEN is back within a second`()
        async throws
    {
        try await TestDatabase.with(.configured) {
            try await SimulatedPlatform.with(latency: .milliseconds(40)) { platform in
                let url = TestDatabase.current.url
                let results = try await RunningWorker.several(3, graph: platform.url, database: url) { running in
                    for worker in running {
                        try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    }
                    try await eventually("all listen", within: .seconds(10)) {
                        try await Self.value(Self.sessions("listen")) == 3
                    }
                    for round in 1...12 {
                        try await Customer.enqueue((round * 5 - 4)...(round * 5), messageEvery: 4)
                        // One of any kind, and in each third round all that listen, which hold the presence as well.
                        let victims =
                            round.isMultiple(of: 3)
                            ? "application_name = 'embark listen'" : "application_name LIKE 'embark %'"
                        try await script(
                            """
                            SELECT pg_terminate_backend(v.pid) FROM (
                                SELECT pid FROM pg_stat_activity
                                 WHERE datname = current_database() AND \(victims) ORDER BY random()
                                 LIMIT \(round.isMultiple(of: 3) ? 3 : 1)) AS v
                            """
                        )
                        let back = try await Self.time(until: 3, Self.sessions("listen"), within: .seconds(5))
                        #expect(back < .seconds(1), "round \(round): LISTEN is back after \(back)")
                    }
                    try await Hurry.untilIdle(leasesOlderThan: .seconds(3), within: .seconds(60))
                }
                for result in results { #expect(result.code == 0) }
                try await Unharmed.check(platform, signups: 60)
            }
        }
    }

    @Test func `A signup whose notification nobody hears is claimed by polling within a second`() async throws {
        try await TestDatabase.with(.configured) {
            try await SimulatedPlatform.with { platform in
                let url = TestDatabase.current.url
                let result = try await RunningWorker.with(graph: platform.url, database: url) { worker in
                    try await eventually("it is ready", within: .seconds(20)) { try await worker.isReady() }
                    for n in 1...3 {
                        try await eventually("it sleeps and listens", within: .seconds(10)) {
                            let sleepers = try await Self.value("SELECT count(*) FROM embark.workers WHERE sleeping")
                            let listeners = try await Self.value(Self.sessions("listen"))
                            return sleepers == 1 && listeners == 1
                        }
                        // The session is gone before the notification is sent.
                        try await script(
                            """
                            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                             WHERE datname = current_database() AND application_name = 'embark listen'
                            """
                        )
                        let enqueued = ContinuousClock.now
                        try await Customer.enqueue(n...n)
                        let signups = "embark.signups WHERE state = 'completed'"
                        try await eventually("it has exchanged the code", within: .seconds(10)) {
                            try platform.effects("exchange_code", by: "code").count == n
                        }
                        #expect(.now - enqueued < .seconds(1), "claimed after \(.now - enqueued)")
                        try await eventually("it is completed", within: .seconds(20)) { try await count(signups) == n }
                    }
                }
                #expect(result.code == 0)
                try await Unharmed.check(platform, signups: 3)
            }
        }
    }
}
