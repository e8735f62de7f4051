/// Broken states, forged by hand for each of the checker's checks.
import Foundation
import Invariants
import Testing

/// What no honest run leaves behind.
struct Plant: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The check that must name it, and no other.
    let check: String
    let invariant: Invariant
    /// Whose it is, where the checker can know.
    let signup: Int?
    /// Run by a superuser, with the append-only triggers out of the way.
    var sql: String?
    var ledger: @Sendable ([String]) throws -> [String] = { $0 }
    var texts: [String] = []
    var acknowledged: [Int64] = []

    init(
        _ name: String,
        _ invariant: Invariant,
        _ check: String,
        of signup: Int?,
        sql: String? = nil,
        texts: [String] = [],
        acknowledged: [Int64] = [],
        ledger: @escaping @Sendable ([String]) throws -> [String] = { $0 }
    ) {
        testDescription = name
        self.invariant = invariant
        self.check = check
        self.signup = signup
        self.sql = sql
        self.texts = texts
        self.acknowledged = acknowledged
        self.ledger = ledger
    }

    static let all = jobs + steps + effects + numbers + order + secrets + throttles + history

    typealias Run = HonestRun
    static func waba(_ n: Int) -> String { Customer.wabaID(n) }
    static func phone(_ n: Int) -> String { Customer.phoneID(n) }

    /// The ledger's line with these members, after all others.
    static func line(_ kind: String, _ endpoint: String, after seconds: Double = 1, _ more: String) -> String {
        #"{"at": "\#(Date().timeIntervalSince1970 + seconds)", "kind": "\#(kind)", "endpoint": "\#(endpoint)", \#(more)}"#
    }

    static func registers(_ number: String, _ account: String) -> String {
        line(
            "request",
            "register_phone",
            #""account": "\#(account)", "caller": "business", "method": "POST", "path": "\#(number)/register""#
        )
    }

    /// The first line that has all of these texts.
    static func first(_ lines: [String], _ texts: String...) throws -> String {
        try #require(lines.first { line in texts.allSatisfy { line.contains($0) } }, "no line has \(texts)")
    }

    static func call(_ number: String, _ signup: Int, times: Int = 1) -> String {
        """
        INSERT INTO embark.register_calls (phone_number_id, signup_id)
        SELECT '\(number)', \(signup) FROM generate_series(1, \(times))
        """
    }

    // MARK: 1

    static let jobs = [
        Plant(
            "the job of a running signup is deleted",
            .noSignupIsLost,
            "jobs",
            of: Run.waiting,
            sql: "DELETE FROM embark.jobs WHERE signup_id = \(Run.waiting)"
        ),
        Plant(
            "a completed signup has a job",
            .noSignupIsLost,
            "jobs",
            of: Run.onlyWABA,
            sql: """
                INSERT INTO embark.jobs (signup_id, step, lane, due_at)
                VALUES (\(Run.onlyWABA), 'share_credit_line', 5, clock_timestamp())
                """
        ),
        Plant(
            "a job has no signup",
            .noSignupIsLost,
            "jobs",
            of: 4242,
            sql: "INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES (4242, 'exchange_code', 0, now())"
        ),
        Plant("an id was given out", .noSignupIsLost, "acknowledged", of: 4242, acknowledged: [4242]),
        Plant(
            "a failed signup waits on nobody",
            .noSignupIsLost,
            "whose_move",
            of: Run.expired,
            sql: "UPDATE embark.signups SET waiting_on = NULL WHERE id = \(Run.expired)"
        ),
        Plant(
            "an outcome is of another type",
            .noSignupIsLost,
            "outcomes",
            of: Run.expired,
            sql: "UPDATE embark.outcomes SET type = 'signup.completed' WHERE signup_id = \(Run.expired)"
        ),
        Plant(
            "an end is told twice",
            .noSignupIsLost,
            "outcomes",
            of: Run.onlyWABA,
            sql: """
                INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (\(Run.onlyWABA), 1, 'signup.completed')
                """
        ),
    ]

    // MARK: 2

    /// An attempt like another one, with other values.
    static func attempt(of signup: Int, like step: String, _ values: [String: String]) -> String {
        let columns = [
            "signup_id", "generation", "step", "attempt", "verdict", "started_at", "finished_at", "worker_id",
            "lease_id",
            "error_code",
        ]
        return """
            INSERT INTO embark.attempts (\(columns.joined(separator: ", ")))
            SELECT \(columns.map { values[$0] ?? "a." + $0 }.joined(separator: ", "))
              FROM embark.attempts AS a WHERE a.signup_id = \(signup) AND a.step = '\(step)' AND a.verdict = 'done'
            """
    }

    static let steps = [
        Plant(
            "a lease moved its job twice",
            .noStepIsSettledTwice,
            "settled_twice",
            of: Run.onlyWABA,
            sql: """
                UPDATE embark.attempts SET lease_id = (SELECT lease_id FROM embark.attempts
                                                        WHERE signup_id = \(Run.onlyWABA) AND step = 'verify_grant')
                 WHERE signup_id = \(Run.onlyWABA) AND step = 'subscribe_app'
                """
        ),
        Plant(
            "a step ended twice",
            .noStepIsSettledTwice,
            "settled_twice",
            of: Run.onlyWABA,
            sql: attempt(
                of: Run.onlyWABA,
                like: "share_credit_line",
                ["started_at": "clock_timestamp()", "finished_at": "clock_timestamp()", "lease_id": "1"]
            )
        ),
        Plant(
            "two executions at once both moved the job",
            .noStepIsSettledTwice,
            "overlapping",
            of: Run.retried,
            sql: """
                UPDATE embark.attempts SET started_at = (SELECT started_at FROM embark.attempts
                                                          WHERE signup_id = \(Run.retried) AND verdict = 'retry')
                 WHERE signup_id = \(Run.retried) AND step = 'subscribe_app' AND verdict = 'done'
                """
        ),
        Plant(
            "a late message id is dropped",
            .noStepIsSettledTwice,
            "late_results",
            of: Run.onlyWABA,
            sql: attempt(
                of: Run.onlyWABA,
                like: "share_credit_line",
                ["step": "'send_test_message'", "verdict": "'stale'", "lease_id": "1"]
            )
        ),
    ]

    // MARK: 4

    static let order = [
        Plant(
            "a step ran before the one before it",
            .stepsKeepTheirOrder,
            "plan_order",
            of: Run.onlyWABA,
            sql: """
                UPDATE embark.attempts AS a SET started_at = b.started_at, finished_at = b.finished_at
                  FROM embark.attempts AS b
                 WHERE a.signup_id = \(Run.onlyWABA) AND b.signup_id = a.signup_id
                   AND (a.step, b.step) IN (('verify_grant', 'subscribe_app'), ('subscribe_app', 'verify_grant'))
                """
        ),
        Plant(
            "a step is missing",
            .stepsKeepTheirOrder,
            "plan_order",
            of: Run.onlyWABA,
            sql: "DELETE FROM embark.attempts WHERE signup_id = \(Run.onlyWABA) AND step = 'assign_system_user'"
        ),
        Plant(
            "a step ran that is not planned",
            .stepsKeepTheirOrder,
            "plan_order",
            of: Run.onlyWABA,
            sql: attempt(
                of: Run.onlyWABA,
                like: "share_credit_line",
                [
                    "step": "'register_phone'", "verdict": "'retry'", "lease_id": "1",
                    "started_at": "clock_timestamp()",
                    "finished_at": "clock_timestamp()",
                ]
            )
        ),
        Plant(
            "a generation began without anybody's word",
            .stepsKeepTheirOrder,
            "plan_order",
            of: Run.replayed,
            sql: "UPDATE embark.audit SET signup_id = 4242 WHERE signup_id = \(Run.replayed)"
        ),
        Plant(
            "a job stands behind a step that is not done",
            .stepsKeepTheirOrder,
            "plan_order",
            of: Run.waiting,
            sql: """
                UPDATE embark.jobs SET step = 'verify_grant' WHERE signup_id = \(Run.waiting);
                UPDATE embark.secrets SET code = NULL, sealed_token = (SELECT max(sealed_token) FROM embark.secrets)
                 WHERE signup_id = \(Run.waiting)
                """
        ),
    ]

    // MARK: 5

    static func secret(_ name: String, of signup: Int, _ assignment: String) -> Plant {
        Plant(
            name,
            .secretsStaySecret,
            "plain_secrets",
            of: signup,
            sql: "UPDATE embark.secrets SET \(assignment) WHERE signup_id = \(signup)"
        )
    }

    static let secrets = [
        secret("a code outlives its signup", of: Run.onlyWABA, "code = 'abc'"),
        secret("a PIN stays in plain text", of: Run.onlyWABA, "pin = '123456'"),
        secret("a token is not sealed", of: Run.onlyWABA, "sealed_token = 'EAAB'"),
        Plant("an exchanged code stays", .secretsStaySecret, "plain_secrets", of: Run.waiting) {
            $0 + [
                line(
                    "effect",
                    "exchange_code",
                    #""effect": "exchange_code", "code": "\#(Customer.code(Run.waiting, "canary-code-51c2-\(Run.waiting)"))", "#
                        + #""waba_id": "\#(waba(Run.waiting))""#
                )
            ]
        },
        Plant(
            "a token stands in an error's text",
            .secretsStaySecret,
            "canaries",
            of: Run.throttled,
            sql: attempt(
                of: Run.throttled,
                like: "subscribe_app",
                [
                    "error_code": "'EAABxSimulatedBusinessToken1'", "verdict": "'stale'", "lease_id": "1",
                ]
            )
        ),
        Plant(
            "a PIN stands in a note",
            .secretsStaySecret,
            "canaries",
            of: Run.onlyWABA,
            sql: "UPDATE embark.signups SET metadata = '{\"note\": \"PIN 047193\"}' WHERE id = \(Run.onlyWABA)"
        ),
        Plant(
            "a code stands in a log",
            .secretsStaySecret,
            "canaries",
            of: Run.onlyWABA,
            texts: [#"{"signup.id":"\#(Run.onlyWABA)","message":"\#(Customer.code(2, "canary-code-51c2-2"))"}"# + "\n"]
        ),
        Plant(
            "the app secret stands among a process's arguments",
            .secretsStaySecret,
            "canaries",
            of: nil,
            texts: ["embark\u{0}worker\u{0}--secret=\(WorkerProcess.appSecret)\u{0}"]
        ),
    ]

    // MARK: 7

    static let history = [
        Plant(
            "attempts may be changed",
            .historyStays,
            "append_only",
            of: nil,
            sql: """
                ALTER TABLE embark.attempts DISABLE TRIGGER attempts_append_only
                """
        ),
        Plant(
            "outcomes may be changed",
            .historyStays,
            "append_only",
            of: nil,
            sql: """
                CREATE OR REPLACE FUNCTION embark.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN IF TG_TABLE_NAME = ''outcomes'' THEN RETURN NULL; END IF;
                     RAISE EXCEPTION ''append-only'' USING ERRCODE = ''insufficient_privilege''; END'
                """
        ),
        Plant(
            "an attempt has a smaller number",
            .historyStays,
            "attempt_numbers",
            of: Run.retried,
            sql: """
                UPDATE embark.attempts SET attempt = 9 WHERE signup_id = \(Run.retried) AND verdict = 'retry'
                """
        ),
        Plant(
            "an attempt is of no signup",
            .historyStays,
            "attempt_numbers",
            of: 4242,
            sql: """
                INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
                VALUES (4242, 1, 'exchange_code', 1, 'retry', now(), now())
                """
        ),
        Plant(
            "an outcome's number is skipped",
            .historyStays,
            "outcome_numbers",
            of: nil,
            sql: """
                UPDATE embark.outcomes SET seq = seq + 100 WHERE seq = (SELECT max(seq) FROM embark.outcomes)
                """
        ),
        Plant(
            "an attempt is rewritten",
            .historyStays,
            "snapshot",
            of: nil,
            sql: """
                UPDATE embark.attempts SET http_status = 201 WHERE signup_id = \(Run.onlyWABA) AND step = 'subscribe_app'
                """
        ),
        Plant(
            "a line of the audit is gone",
            .historyStays,
            "snapshot",
            of: nil,
            sql: """
                DELETE FROM embark.audit WHERE action = 'cancel'
                """
        ),
    ]
}
