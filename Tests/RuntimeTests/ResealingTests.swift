/// Resealing thousands of values while a worker onboards, killed in its middle, beside rows that nothing opens.
import Foundation
import Onboarding
import Postgres
import Subprocess
import Support
import Testing

@testable import OnboardingRuntime

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct ResealingTests {
    static let both = SampleKeys.jwkSet(["new", "old"].map { ($0, SampleKeys.bytes($0)) })
    /// Far from the ids of signups that are enqueued.
    static let stored: ClosedRange<Int64> = 100_001...102_500

    /// Of this database: others are cloned beside it.
    private static let waits = """
        pg_locks WHERE locktype = 'advisory' AND objid = 4711
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """

    private func rotate() async throws -> CommandResult {
        try await Command.run(
            ["key", "rotate", "-o", "json"],
            database: TestDatabase.current.url,
            environment: ["EMBARK_SEALING_KEYS": Self.both]
        )
    }

    @Test func `Thousands of values are resealed while a worker onboards, and every one opens with the new key alone`()
        async throws
    {
        try await SealedSignups.insert(Self.stored, sealedBy: SampleKeys.ring("old"))
        try await SimulatedPlatform.with { platform in
            let result = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: ["EMBARK_SEALING_KEYS": Self.both, "EMBARK_LOG_LEVEL": "info"]
            ) { worker in
                try await eventually("the worker is ready", within: .seconds(20)) { try await worker.isReady() }
                #expect(try await texts("SELECT key_ids::text FROM embark.workers") == ["{new,old}"])
                try await Customer.enqueue(1...60)
                let report = try await rotate()
                #expect(report.code == 0, "\(report.all)")
                let object = try report.object()
                #expect(object["resealed"] as? Int == Self.stored.count * 2)
                #expect(object["left"] as? Int == 0 && object["unopened"] as? Int == 0)
                #expect(object["workers"] as? Int == 1 && object["workers_sealing_otherwise"] as? Int == 0)
                #expect(object["droppable"] as? [String] == ["old"])
                try await eventually("all are completed", within: .seconds(60)) {
                    try await count("embark.signups WHERE state = 'completed'") == 60
                }
                // A beat may have written the row anew.
                #expect(try await texts("SELECT key_ids::text FROM embark.workers") == ["{new,old}"])
            }
            #expect(result.code == 0)
        }
        let new = try SampleKeys.ring("new")
        try await SealedSignups.expect(Self.stored, openWith: new)
        #expect(try await SealedSignups.tokensByKey() == ["new \(Self.stored.count + 60)"])
        let report = try await withConnection { try await Resealing(ring: new, connection: $0).look() }
        #expect(report.unopenedCount == 0 && report.opened == ["new": (Self.stored.count + 60) * 2])
    }

    @Test func `A rotation that is killed in its middle goes on where it was`() async throws {
        let ids: ClosedRange<Int64> = 1...1_800
        try await SealedSignups.insert(ids, sealedBy: SampleKeys.ring("old"))
        // The fourth batch comes to a row that waits for a lock of this test's.
        try await script(
            """
            CREATE FUNCTION public.wait_here() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN new; END';
            CREATE TRIGGER wait_here BEFORE UPDATE ON embark.secrets FOR EACH ROW WHEN (new.signup_id = 1600)
                EXECUTE FUNCTION public.wait_here()
            """
        )
        try await withConnection { holder in
            try await holder.script("SELECT pg_advisory_lock(4711)")
            let ended = try await Subprocess.run(
                .name("embark"),
                arguments: ["key", "rotate"],
                environment: Command.environment(
                    database: TestDatabase.current.url,
                    ["EMBARK_SEALING_KEYS": Self.both]
                ),
                input: .none,
                output: .discarded,
                error: .discarded
            ) { process -> (any Error)? in
                do {
                    try await eventually("the rotation waits in its middle", within: .seconds(60)) {
                        try await count("\(Self.waits) AND NOT granted") == 1
                    }
                    try process.send(signal: .kill)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure = ended.closureResult { throw failure }
            // The batch in hands goes with its session.
            try await script(
                "SELECT pg_terminate_backend(pid) FROM \(Self.waits) AND NOT granted"
            )
        }
        try await eventually("the killed one's session has ended") {
            try await count(Self.waits) == 0
        }
        try await script("DROP TRIGGER wait_here ON embark.secrets")
        #expect(try await SealedSignups.tokensByKey() == ["new 1500", "old 300"])
        try await SealedSignups.expect(ids, openWith: SampleKeys.ring("new", "old"))

        let report = try await rotate()
        #expect(report.code == 0, "\(report.all)")
        #expect(try report.object()["resealed"] as? Int == 600)
        try await SealedSignups.expect(ids, openWith: SampleKeys.ring("new"))
    }

    @Test func `What no key opens is named by its signup, and stops nothing else`() async throws {
        try await SealedSignups.insert(1...30, sealedBy: SampleKeys.ring("old"))
        let foreign = try SampleKeys.ring("lost").seal(Secret("EAAcanary"), signupID: 5, purpose: .token)
        let swapped = try SampleKeys.ring("old").seal(Secret("EAAcanary"), signupID: 7, purpose: .token)
        let wrongKey = try KeyRing(jwkSet: SampleKeys.jwkSet([("old", SampleKeys.bytes("x"))]))
            .seal(Secret("000123"), signupID: 9, purpose: .pin)
        try await script(
            """
            UPDATE embark.secrets SET sealed_token = '\(foreign)' WHERE signup_id = 5;
            UPDATE embark.secrets SET sealed_token = '\(swapped)' WHERE signup_id = 6;
            UPDATE embark.secrets SET sealed_pin = '\(wrongKey)' WHERE signup_id = 9;
            UPDATE embark.secrets SET sealed_pin = repeat('.', 1000000) WHERE signup_id = 11
            """
        )

        try await RingFile.with(Self.both) { file in
            let result = try await file.rotate()
            #expect(result.code == 1)
            #expect(result.out.contains("60 values, 56 open with it; 56 resealed now"), "\(result.out)")
            for line in [
                "Unopened    4 values that no key opens", "signup 5, token: the sealed text needs the key lost",
                "signup 6, token: the sealed text belongs to another signup",
                "signup 9, pin: the sealed text has been altered",
                "signup 11, pin: the sealed text is not a compact JWE",
            ] { #expect(result.out.contains(line), "\(result.out)") }
            #expect(!result.all.contains("eyJ") && !result.all.contains("EAA"))
            let object = try await file.rotate("-o", "json").object()
            #expect(
                object["unopened_signups"] as? [String] == ["5", "6", "9", "11"] && object["resealed"] as? Int == 0
            )
            // They can be opened with no key, so none is kept for them.
            let dropped = try await file.rotate("--drop", "old")
            #expect(dropped.code == 0 && dropped.err.contains("signup 9, pin"), "\(dropped.all)")
        }
        let after = try await texts("SELECT count(*)::text FROM embark.secrets WHERE sealed_pin = repeat('.', 1000000)")
        #expect(after == ["1"])
    }

    @Test func `A row that is held is left, and said to be left`() async throws {
        try await SealedSignups.insert(1...30, sealedBy: SampleKeys.ring("old"))
        try await withConnection { holder in
            try await holder.script("BEGIN; SELECT FROM embark.secrets WHERE signup_id = 3 FOR UPDATE")
            let result = try await rotate()
            #expect(result.code == 1)
            let object = try result.object()
            #expect(object["left"] as? Int == 2 && object["resealed"] as? Int == 58, "\(result.out)")
            #expect(object["droppable"] as? [String] == [])
            try await holder.script("COMMIT")
        }
        #expect(try await rotate().object()["resealed"] as? Int == 2)
        try await SealedSignups.expect(1...30, openWith: SampleKeys.ring("new"))
    }

    @Test func `A value that was changed since it was read is not overwritten`() async throws {
        try await SealedSignups.insert(1...2, sealedBy: SampleKeys.ring("old"))
        let changed = try await withConnection { connection in
            let rows = try await connection.run(Queries.readSealed(0, 10))
            try await connection.script("UPDATE embark.secrets SET sealed_token = 'newer' WHERE signup_id = 1")
            func column(_ texts: [String?]) -> TextColumn { texts.reduce(into: TextColumn()) { $0.append($1) } }
            return try await connection.run(
                Queries.reseal(
                    [1, 2],
                    column(rows.map(\.token)),
                    column(["t1", "t2"]),
                    column(rows.map(\.pin)),
                    column(["p1", nil])
                )
            ).first?.value
        }
        // The second's PIN has no new value, and is left as well.
        #expect(changed == 2)
        let rows = try await texts(
            "SELECT sealed_token || ' ' || coalesce(sealed_pin, 'none') FROM embark.secrets ORDER BY signup_id"
        )
        #expect(rows.first == "newer p1")
        #expect(rows.last?.hasPrefix("t2 ") == true)
    }

    // MARK: A worker without the key

    @Test func `A worker without the key waits for one that has it, says so, and fails nobody`() async throws {
        try await SimulatedPlatform.with { platform in
            func environment(_ ids: String...) -> [String: String] {
                ["EMBARK_SEALING_KEYS": SampleKeys.jwkSet(ids.map { ($0, SampleKeys.bytes($0)) })]
            }
            try await Customer.enqueue(1...1)
            let first = environment("old").merging(["EMBARK_TEST_KILL": "claim:verify_grant"]) { $1 }
            #expect(try await WorkerProcess.run(platform, environment: first).code == nil)
            try await script("UPDATE embark.jobs SET due_at = now()")
            let without = try await RunningWorker.with(
                graph: platform.url,
                database: TestDatabase.current.url,
                environment: environment("new")
            ) { _ in
                try await eventually("the key was missed", within: .seconds(30)) {
                    try await count("embark.attempts WHERE error_code = 'sealing_key_missing'") >= 1
                }
            }
            let errors = try without.logLines().filter { $0["level"] as? String == "error" }
            #expect(errors.contains { "\($0)".contains("needs the key old") }, "\(without.err)")
            #expect(try await texts("SELECT state::text FROM embark.signups") == ["running"])
            // A wait, which is charged to nobody.
            let waits = try await texts(
                "SELECT DISTINCT step || ' ' || verdict FROM embark.attempts WHERE error_code = 'sealing_key_missing'"
            )
            #expect(waits == ["verify_grant retry"])
            // The worker that was killed has used up one.
            #expect(try await texts("SELECT attempt::text FROM embark.jobs") == ["1"])
            let card = try await Command.run("why", "1")
            #expect(card.out.contains("sealing_key_missing") && card.out.contains("EMBARK_SEALING_KEYS"), "\(card.out)")

            try await script("UPDATE embark.jobs SET due_at = now()")
            #expect(try await WorkerProcess.run(platform, environment: environment("new", "old")).code == 0)
            #expect(try await texts("SELECT state::text FROM embark.signups") == ["completed"])
            #expect(try platform.effects("exchange_code", by: "code").values.allSatisfy { $0 == 1 })
        }
    }

    @Test func `A message that may have left is not sent again behind a worker that lacks the key`() async throws {
        try await SimulatedPlatform.with { platform in
            func environment(_ ids: String...) -> [String: String] {
                ["EMBARK_SEALING_KEYS": SampleKeys.jwkSet(ids.map { ($0, SampleKeys.bytes($0)) })]
            }
            try await Customer.enqueue(1...1, messageEvery: 1)
            let first = environment("old").merging(["EMBARK_TEST_KILL": "effect:send_test_message"]) { $1 }
            #expect(try await WorkerProcess.run(platform, environment: first).code == nil)
            for ids in [["new"], ["new", "old"]] {
                try await script("UPDATE embark.jobs SET due_at = now()")
                let keys = SampleKeys.jwkSet(ids.map { ($0, SampleKeys.bytes($0)) })
                let later = try await WorkerProcess.run(platform, environment: ["EMBARK_SEALING_KEYS": keys])
                #expect(later.code == 0, "\(later.err)")
            }
            #expect(
                try await texts("SELECT state || ' ' || array_to_string(warnings, ',') FROM embark.signups")
                    == ["completed test_message_uncertain"]
            )
            let sent = try platform.ledger("effect").count { $0["endpoint"] == "send_test_message" }
            #expect(sent == 1)
        }
    }

    @Test
    func `A key that nobody has is the operator's move when the step's time is over, and the card's commands mend it`()
        async throws
    {
        try await SimulatedPlatform.with { platform in
            func environment(_ ids: String...) -> [String: String] {
                ["EMBARK_SEALING_KEYS": SampleKeys.jwkSet(ids.map { ($0, SampleKeys.bytes($0)) })]
            }
            try await Customer.enqueue(1...1)
            let first = environment("old").merging(["EMBARK_TEST_KILL": "claim:verify_grant"]) { $1 }
            #expect(try await WorkerProcess.run(platform, environment: first).code == nil)
            // The hour of its step is all but over.
            try await script(
                "UPDATE embark.jobs SET due_at = now(), give_up_at = now() + interval '5 s' WHERE step = 'verify_grant'"
            )
            #expect(try await WorkerProcess.run(platform, environment: environment("new")).code == 0)
            let standing = try await texts(
                "SELECT concat_ws(' ', state, failed_step, error_code, waiting_on) FROM embark.signups"
            )
            #expect(standing == ["failed verify_grant sealing_key_missing operator"])

            let card = CardCommands(try await Command.run("why", "1").outLines).commands
            #expect(card.map(\.joined) == ["embark key list", #"embark replay 1 --reason "…""#])
            for command in card {
                let result = try await Command.shell(command.text)
                #expect(result.code == 0, "\(command.text): \(result.err)")
            }
            #expect(try await WorkerProcess.run(platform, environment: environment("new", "old")).code == 0)
            #expect(try await texts("SELECT state::text FROM embark.signups") == ["completed"])
            #expect(try platform.effects("exchange_code", by: "code").values.allSatisfy { $0 == 1 })
        }
    }
}
