/// `embark top --once`: one snapshot of the whole database.
import Foundation
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandTopTests {
    private static let busy =
        SampleSignups.oneOfEachState + """
            INSERT INTO embark.jobs (signup_id, step, lane, due_at, lease_id) VALUES
                (2, 'subscribe_app', 5, now() - interval '10 min 5 s', NULL),
                (3, 'register_phone', 5, now() + interval '1 h', 7);
            INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
            SELECT 1, 1, 'subscribe_app', n, CASE WHEN n < 3 THEN 'retry' ELSE 'done' END, now(), now() - n * interval '10 s'
              FROM generate_series(1, 8) AS n;
            INSERT INTO embark.outcomes (signup_id, generation, type, at)
            VALUES (2, 1, 'signup.completed', now()), (2, 1, 'signup.completed', now() - interval '25 h'),
                   (5, 1, 'signup.cancelled', now());
            INSERT INTO embark.workers (host, pid, version, seen_at, in_flight)
            VALUES ('one.example', 17, '0.1.0', now() - interval '5 min 1 s', 3);
            """

    @Test func `A snapshot shows states, failures, jobs, attempts and workers`() async throws {
        try await script(Self.busy)
        let result = try await Command.run("top", "--once")
        #expect(
            result.out == """
                RUNNING  ON CUSTOMER  ON OPERATOR  COMPLETED 24 H  CANCELLED 24 H
                3        1            1            1               1

                Attempts in the last minute: done 3, retry 2

                FAILED
                SIGNUPS  STEP            ERROR   WAITING ON  FIRST       LAST
                1        exchange_code   36007   customer    10 min ago  10 min ago
                1        register_phone  133005  operator    2 h ago     2 h ago

                JOBS
                STEP            READY  SCHEDULED  RUNNING  OLDEST DUE  DONE/MIN  TRIED/MIN
                register_phone  0      0          1        -           0         0
                subscribe_app   1      1          0        10 min      3         5

                WORKERS
                ID  HOST         PID  VERSION  IN FLIGHT  SEEN
                1   one.example  17   0.1.0    3          5 min ago

                """
        )
        #expect(result.err == "")
        #expect(result.code == 0)
    }

    @Test func `An empty database has none of anything, in a pipe also without --once`() async throws {
        let result = try await Command.run("top")
        #expect(
            result.outLines.suffix(7) == [
                "Attempts in the last minute: none", "", "FAILED: none", "", "JOBS: none", "", "WORKERS: none",
            ]
        )
        #expect(result.code == 0)
    }

    @Test(arguments: ["json", "jsonl"])
    func `As JSON it is one object, ids as strings`(format: String) async throws {
        try await script(Self.busy)
        let object = try await Command.run("top", "--once", "-o", format).object()
        let signups = try #require(object["signups"] as? [String: Int])
        #expect(
            signups == [
                "running": 3, "failed_customer": 1, "failed_operator": 1, "completed_24h": 1, "cancelled_24h": 1,
            ]
        )
        #expect(object["attempts_last_minute"] as? [String: Int] == ["done": 3, "retry": 2])
        let workers = try #require(object["workers"] as? [[String: Any]])
        #expect(workers.first?["id"] as? String == "1")
        let jobs = try #require(object["jobs"] as? [[String: Any]])
        #expect(jobs.map { $0["step"] as? String } == ["register_phone", "subscribe_app"])
        #expect(jobs.map { $0["done_last_minute"] as? Int } == [0, 3])
        #expect(jobs.map { $0["attempts_last_minute"] as? Int } == [0, 5])
    }

    @Test(arguments: [0, 5])
    func `What has been due for longest is seen behind any number of other jobs`(lane: Int) async throws {
        try await script(
            """
            INSERT INTO embark.jobs (signup_id, step, lane, due_at)
            SELECT n, 'subscribe_app', 5, now() + interval '1 h' FROM generate_series(1, 10001) AS n;
            INSERT INTO embark.jobs (signup_id, step, lane, due_at)
            VALUES (20000, 'register_phone', \(lane), now() - interval '2 h 5 s');
            """
        )
        let result = try await Command.run("top", "--once")
        let jobs = result.outLines.drop { $0 != "JOBS" }.dropFirst(2).prefix { !$0.isEmpty }
        #expect(
            jobs.map { $0.split(separator: " ").joined(separator: " ") } == [
                "register_phone 1 0 0 2 h 0 0", "subscribe_app 0 10,000+ 0 - 0 0",
            ]
        )
        let signups = try await Command.run("top", "--once", "-o", "json").object()["signups"] as? [String: Int]
        #expect(signups?["running"] == 10_000)
    }

    @Test func `Text from elsewhere cannot drive the terminal`() async throws {
        try await script(SampleSignups.hostile)
        try await script(
            "INSERT INTO embark.workers (host, pid, version) SELECT external_id, 1, external_id FROM embark.signups"
        )
        let result = try await Command.run("top", "--once")
        #expect(result.code == 0)
        for line in result.outLines { #expect(!line.unicodeScalars.contains(where: SampleSignups.isObeyed)) }
    }
}
