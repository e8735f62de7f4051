/// Operators against each other and against workers: one wins, the others are told, and nobody waits for ever.
import Foundation
import NIOCore
import Postgres
import Support
import Testing

@Suite(.database(.configured), .timeLimit(.minutes(10))) struct ReplayRaceTests {
    /// The value of one statement in a session of its own, or what the database said no with.
    private static func answer(_ sql: String, database url: String) async throws -> String {
        do {
            return try await withConnection(to: url) { try await $0.value(sql, as: String.self) }
        } catch let error as PostgresError {
            return error.serverMessage ?? "\(error)"
        }
    }

    /// Returns when so many sessions of the test's database wait for a lock.
    private static func waitForWaiters(_ count: Int) async throws {
        try await eventually("\(count) sessions wait for a lock", within: .seconds(20)) {
            try await texts(
                """
                SELECT count(*)::text FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'
                """
            ) == ["\(count)"]
        }
    }

    /// Runs the statements in an open transaction, starts the others, which wait for it, and commits when all of them do.
    private static func answers(
        behind sql: String,
        then more: String = "SELECT 1",
        _ statements: [String]
    ) async throws -> [String] {
        let url = TestDatabase.current.url
        return try await withConnection { holder in
            try await holder.script("BEGIN; \(sql)")
            return try await withThrowingTaskGroup(of: String.self) { group in
                for statement in statements {
                    group.addTask { try await answer(statement, database: url) }
                }
                try await waitForWaiters(statements.count)
                try await holder.script(more)
                try await holder.script("COMMIT")
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
    }

    @Test func `Of ten who replay a signup at the same moment one does, and nine are told`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let answers = try await Self.answers(
            behind: "SELECT FROM embark.signups WHERE id = 4 FOR UPDATE",
            Array(repeating: "SELECT embark.replay(4)::text", count: 10)
        )
        #expect(answers.count { $0 == "2" } == 1)
        #expect(
            answers.count { $0 == "signup_id is that of a signup that runs already: wait until it ends" } == 9,
            "\(answers)"
        )
        #expect(try await texts("SELECT state::text || generation FROM embark.signups WHERE id = 4") == ["running2"])
        #expect(try await count("embark.jobs WHERE signup_id = 4") == 1)
        #expect(try await count("embark.audit WHERE action = 'replay'") == 1)
    }

    @Test func `Of ten who resolve the same doubt one is believed, and nine are told`() async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script(Self.uncertain)
        let answers = try await Self.answers(
            behind: "SELECT FROM embark.signups WHERE id = 4 FOR UPDATE",
            (1...10).map { "SELECT embark.resolve(4, \($0.isMultiple(of: 2)), expected_generation => 1)" }
        )
        #expect(answers.count { ["share_credit_line", "register_phone"].contains($0) } == 1, "\(answers)")
        let told =
            "signup_id is that of a signup that somebody else has replayed meanwhile: it is running, at generation 2."
        #expect(answers.count { $0 == told + " See \"embark why\"" } == 9, "\(answers)")
        #expect(try await count("embark.jobs WHERE signup_id = 4") == 1)
        #expect(try await count("embark.audit WHERE action = 'resolve'") == 1)
    }

    private static let uncertain =
        "UPDATE embark.signups SET failed_step = 'share_credit_line', error_code = 'effect_uncertain' WHERE id = 4"

    @Test func `Ten who differ in what to do with a signup leave it in one state`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let calls = ["replay(4)::text", "skip(4)", "replay(4, 'subscribe_app')::text", "cancel(4)", "skip(4)"]
        let answers = try await Self.answers(
            behind: "SELECT FROM embark.signups WHERE id = 4 FOR UPDATE",
            (calls + calls).map { "SELECT embark.\($0)" }
        )
        // A replay and a cancellation may both win, one after the other; nothing else may.
        let won = answers.filter { !$0.hasPrefix("signup_id is that of a signup that ") }
        #expect((1...2).contains(won.count), "\(answers)")
        #expect(try await count("embark.audit WHERE signup_id = 4") == Int64(won.count))
        let running = try await count("embark.signups WHERE id = 4 AND state = 'running'")
        #expect(try await count("embark.jobs WHERE signup_id = 4") == running)
    }

    /// Runs a command in an open transaction's way, and commits behind `end` when it waits.
    private static func result(
        of arguments: [String],
        behind begin: String,
        end: String
    ) async throws -> CommandResult {
        let url = TestDatabase.current.url
        return try await withConnection { holder in
            try await holder.script("BEGIN; \(begin)")
            return try await withThrowingTaskGroup(of: CommandResult.self) { group in
                group.addTask { try await Command.run(arguments, database: url) }
                try await waitForWaiters(1)
                try await holder.script("\(end); COMMIT")
                return try #require(try await group.next())
            }
        }
    }

    static let moves: [([String], String, String)] = [
        (["replay", "4"], "133005", "replay(4)"), (["skip", "4"], "133005", "skip(4)"),
        (["resolve", "4", "--did-not-happen"], "effect_uncertain", "resolve(4, false)"),
        (["resolve", "4", "--happened"], "effect_uncertain", "resolve(4, true)"),
    ]

    @Test(arguments: moves) func `A command moves on what it has seen, and not what has failed anew since`(
        arguments: [String],
        code: String,
        call: String
    ) async throws {
        try await script(SampleSignups.oneOfEachState)
        try await script("UPDATE embark.signups SET failed_step = 'subscribe_app', error_code = '\(code)' WHERE id = 4")
        let result = try await Self.result(
            of: arguments,
            behind: "SELECT embark.\(call)",
            // What another operator has let go on has failed again, further on, before this one's turn comes.
            end: """
                UPDATE embark.signups SET state = 'failed', failed_step = 'register_phone', error_code = '\(code)' WHERE id = 4;
                DELETE FROM embark.jobs WHERE signup_id = 4
                """
        )
        #expect(result.code == 2)
        #expect(result.err.contains("somebody else has replayed meanwhile: it is failed, at generation 2"))
        #expect(try await count("embark.audit WHERE action = '\(arguments[0])'") == 1)
    }

    @Test func `A skip names the step that it has left out, and not the one that it saw`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let result = try await Self.result(
            of: ["skip", "1"],
            behind: "SELECT FROM embark.signups WHERE id = 1 FOR UPDATE",
            end: """
                UPDATE embark.signups SET state = 'failed', failed_step = 'share_credit_line', error_code = '2' WHERE id = 1;
                DELETE FROM embark.jobs WHERE signup_id = 1
                """
        )
        #expect(result.out == "Signup 1 goes on at register_phone, without share_credit_line. See: embark why 1\n")
    }

    @Test func `A signup that is replayed while it is cancelled is not cancelled in part`() async throws {
        try await script(SampleSignups.oneOfEachState)
        let answers = try await Self.answers(behind: "SELECT embark.replay(4)", ["SELECT embark.cancel(4)"])
        #expect(
            answers == ["signup_id is that of a signup that has been replayed at this very moment: cancel it again"]
        )
        #expect(try await count("embark.jobs WHERE signup_id = 4") == 1)
        #expect(try await texts("SELECT embark.cancel(4)") == ["register_phone"])
        #expect(try await count("embark.jobs WHERE signup_id = 4") == 0)
    }

    @Test func `A cancellation and a worker's result take their locks in the same order`() async throws {
        try await script(SampleSignups.oneOfEachState)
        // As settle does: the job first, then the signup. In the other order the two would wait for each other.
        let answers = try await Self.answers(
            behind: "UPDATE embark.jobs SET step = 'share_credit_line' WHERE signup_id = 1",
            then: "UPDATE embark.signups SET waba_id = '99' WHERE id = 1",
            ["SELECT embark.cancel(1)"]
        )
        #expect(answers == ["share_credit_line"])
        #expect(try await texts("SELECT state || waba_id FROM embark.signups WHERE id = 1") == ["cancelled99"])
    }

    @Test func `What a call tells after its signup was cancelled is kept, and moves nothing`() async throws {
        // Long enough to cancel between the effect and its answer.
        try await SimulatedPlatform.with(latency: .seconds(2)) { platform in
            try await Customer.enqueue(1...1)
            let result = try await RunningWorker.with(graph: platform.url, database: TestDatabase.current.url) { _ in
                try await eventually("the code has been exchanged", within: .seconds(60)) {
                    try platform.ledger("effect").contains { $0["effect"] == "exchange_code" }
                }
                let cancelled = try await Command.run("cancel", "1", "--reason", "changed their mind")
                #expect(
                    cancelled.out == "Signup 1 is cancelled. It stood at exchange_code. See: embark signup show 1\n"
                )
                try await eventually("the result has come", within: .seconds(30)) {
                    try await count("embark.attempts WHERE verdict = 'stale'") == 1
                }
            }
            #expect(result.code == 0)
            #expect(
                try await texts("SELECT concat_ws(' ', state, generation, error_code) FROM embark.signups")
                    == ["cancelled 1"]
            )
            #expect(
                try await texts("SELECT concat_ws(' ', code, pin, left(sealed_token, 3)) FROM embark.secrets") == [
                    "eyJ"
                ]
            )
            #expect(try await texts("SELECT type::text FROM embark.outcomes") == ["signup.cancelled"])
            #expect(try await count("embark.jobs") == 0)
            #expect(try await texts("SELECT verdict FROM embark.attempts") == ["stale"])
        }
    }
}
