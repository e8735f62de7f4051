/// `embark replay` of many when the database fails at some of them: what is known of each is told, and the others are replayed.
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct CommandReplayFailureTests {
    /// So many that failed at the credit line, in the order of their ids.
    private static func failed(_ count: Int) -> String {
        """
        INSERT INTO embark.signups (state, flow, plan, failed_step, waiting_on, error_code, code_issued_at, updated_at)
        SELECT 'failed', 'only_waba', '{exchange_code,share_credit_line}', 'share_credit_line', 'operator', '131000', now(),
               now() - interval '1 h' + n * interval '1 s'
          FROM generate_series(1, \(count)) AS n;
        INSERT INTO embark.secrets (signup_id) SELECT id FROM embark.signups
        """
    }

    private static let filter = [
        "replay", "--state", "failed", "--step", "share_credit_line", "--error-code", "131000", "--since", "24h",
        "--yes",
    ]

    private static func run(_ arguments: [String]) async throws -> CommandResult {
        try await Command.run(filter + arguments, database: TestDatabase.current.url)
    }

    @Test(arguments: [[], ["--currency", "EUR"]])
    func `One that somebody holds fails by itself, soon, and leaves the others alone`(mending: [String]) async throws {
        try await script(Self.failed(5))
        let (result, seconds) = try await withConnection { holder in
            try await holder.script("BEGIN; SELECT FROM embark.signups WHERE id = 3 FOR UPDATE")
            let start = ContinuousClock.now
            let result = try await Self.run(mending + ["-o", "json"])
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            try await holder.script("COMMIT")
            return (result, seconds)
        }
        let objects = try result.objects()
        #expect(objects.map { $0["id"] as? String } == ["1", "2", "3", "4", "5"])
        #expect(
            objects.map { $0["result"] as? String } == ["replayed", "replayed", "failed", "replayed", "replayed"]
        )
        let reason = try #require(objects[2]["reason"] as? String)
        #expect(reason.hasPrefix("somebody holds it, and 400ms were not enough: replay it once more"))
        #expect(result.err == "4 replayed, none refused, 1 failed\n")
        #expect(result.code == 1)
        // It would wait for as long as the row is held.
        #expect(seconds < 30)
        #expect(
            try await texts(
                "SELECT concat_ws(' ', id, state, generation, currency) FROM embark.signups WHERE id IN (2, 3) ORDER BY id"
            )
                == ["2 running 2" + (mending.last.map { " " + $0 } ?? ""), "3 failed 1"]
        )
        let again = try await Self.run(mending)
        #expect(again.outLines.last == "1 replayed, none refused")
        #expect(again.code == 0)
    }

    @Test(arguments: ["json", "jsonl", "table"])
    func `When the database is lost each is told of: replayed, unknown, or not tried`(format: String) async throws {
        try await script(Self.failed(300))
        // The session ends in the middle of the second hundred, without a word of what was done before.
        try await script(
            """
            CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$;
            CREATE TRIGGER end_session BEFORE UPDATE ON embark.signups
                FOR EACH ROW WHEN (new.id = 150) EXECUTE FUNCTION end_session()
            """
        )
        let result = try await Self.run(["-o", format])
        #expect(result.code == 1)
        // PostgreSQL's word or, where it came too late, libpq's.
        #expect(
            ["terminating", "57P01", "connection"].contains { result.err.contains($0) },
            "\(result.err)"
        )
        #expect(result.err.hasSuffix("Run it again: what runs already is left alone.\n"))
        let generations = try await texts("SELECT generation::text FROM embark.signups ORDER BY id")
        if format == "table" {
            #expect(result.outLines.contains("300  not tried"))
            #expect(result.outLines.contains { $0.hasPrefix("150  unknown: ") && $0.hasSuffix("embark why 150") })
            #expect(result.outLines.last?.hasSuffix(" unknown, 100 not tried") == true, "\(result.outLines.suffix(1))")
            return
        }
        let objects = try format == "json" ? result.objects() : result.objectLines()
        #expect(objects.map { $0["id"] as? String } == (1...300).map(String.init))
        let results = objects.map { $0["result"] as? String }
        #expect(results.prefix(100).allSatisfy { $0 == "replayed" })
        #expect(results[149] == "unknown")
        #expect(results.suffix(100).allSatisfy { $0 == "not_tried" })
        // What is said is so.
        for (result, generation) in zip(results, generations) {
            switch result {
            case "replayed": #expect(generation == "2")
            case "not_tried": #expect(generation == "1")
            default: #expect(result == "unknown")
            }
        }
    }
}
