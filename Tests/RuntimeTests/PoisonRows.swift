/// Rows that no version of Embark writes, and what is to become of the signups that they stand in.

/// One way to spoil a signup. In `sql`, `{ids}` is the array of the signups that it befalls.
struct Poison: Sendable {
    let name: String
    let sql: String
    /// State, error code and party; nil for signups that are gone with it.
    let ends: String?
    /// Of how many signups at most: a megabyte each is enough a few times, and so is what goes on as if nothing were.
    let most: Int

    init(_ name: String, _ sql: String, _ ends: String?, most: Int = 1_000) {
        self.name = name
        self.sql = sql
        self.ends = ends
        self.most = ends == Self.well ? min(most, 3) : most
    }

    private static let aside = "failed unreadable_row operator"
    private static let expired = "failed code_expired customer"
    private static let well = "completed"

    private static func job(_ name: String, _ change: String, _ ends: String, most: Int = 1_000) -> Poison {
        Poison(name, "UPDATE embark.jobs SET \(change) WHERE signup_id = ANY ({ids})", ends, most: most)
    }

    private static func signup(_ name: String, _ change: String, _ ends: String, most: Int = 1_000) -> Poison {
        Poison(name, "UPDATE embark.signups SET \(change) WHERE id = ANY ({ids})", ends, most: most)
    }

    /// With the job at that step.
    private static func secret(
        _ name: String,
        _ change: String,
        at step: String,
        _ ends: String,
        most: Int = 1_000
    ) -> Poison {
        let lane = step == "exchange_code" ? 0 : 5
        return Poison(
            name,
            """
            UPDATE embark.secrets SET \(change) WHERE signup_id = ANY ({ids});
            UPDATE embark.jobs SET step = '\(step)', lane = \(lane) WHERE signup_id = ANY ({ids})
            """,
            ends,
            most: most
        )
    }

    /// The first and the last moment that PostgreSQL knows.
    private static let first = "'4713-01-01 00:00Z BC'"
    private static let last = "'294276-12-31 23:59:59.999999Z'"

    static let all: [Poison] = jobs + plans + secrets + signups + ids

    /// As many of them as asked for, in turn.
    static func rows(_ count: Int) -> [Poison] {
        var left = all.map(\.most)
        var rows: [Poison] = []
        while rows.count < count {
            for place in all.indices where left[place] > 0 && rows.count < count {
                left[place] -= 1
                rows.append(all[place])
            }
        }
        return rows
    }

    private static let ids: [Poison] =
        ["waba_id", "phone_number_id", "business_id", "allocation_config_id"].flatMap { column in
            [
                "'../../me?x='", "''", "E'1\\x1b[2J\\n'", "'١٢٣'", "'-1'", "'1/subscribed_apps'", "repeat('9', 33)",
            ].map { signup("\(column) \($0)", "\(column) = \($0)", aside) }
        }

    private static let jobs: [Poison] = [
        job("an unknown step", "step = 'fly_to_the_moon'", aside),
        job("an empty step", "step = ''", aside),
        job("a step that a terminal obeys", "step = E'\\x1b[2J\\u202e\\n'", aside),
        job("a step of a megabyte", "step = repeat('x', 1048576)", aside, most: 2),
        job("due since 1900", "due_at = '1900-01-01Z'", well),
        job("due since ever", "due_at = '-infinity', give_up_at = 'infinity'", well),
        job("due since the first moment", "due_at = \(first), give_up_at = \(last)", well),
        job("given up in 9999", "give_up_at = '9999-12-31Z'", well),
        job(
            "all of time at a later step",
            "step = 'verify_grant', lane = 5, due_at = \(first), give_up_at = \(last)",
            "failed token_missing customer"
        ),
        job("as many attempts as there are", "attempt = 2147483647", well),
        job("as few attempts as there are", "attempt = -2147483648", well),
        job("as many interruptions as there are", "interrupted = 32767, worker_id = 9", "failed interrupted operator"),
        job("as few interruptions as there are", "interrupted = -32768, worker_id = 9", well),
        job("the highest lease", "lease_id = 9223372036854775807, worker_id = 9223372036854775807", well),
        job("a negative lease", "lease_id = -1, worker_id = -9223372036854775808", well),
        job("a step that is not in the plan", "step = 'send_test_message', lane = 5", aside),
    ]

    private static let plans: [Poison] = [
        signup("a plan without steps", "plan = '{}'", aside),
        signup("a plan with NULL", "plan = ARRAY[NULL, 'exchange_code']", aside),
        signup("a plan of two dimensions", "plan = '{{exchange_code,verify_grant}}'", aside),
        signup("a plan that lacks its step", "plan = '{subscribe_app}'", aside),
        signup("a plan of 10,000 steps", "plan = array_fill('exchange_code'::text, ARRAY[10000])", aside, most: 5),
        signup(
            "a plan of 10,000 unknown steps",
            "plan = (SELECT array_agg('exchange_code' || i) FROM generate_series(1, 10000) AS i)",
            aside,
            most: 5
        ),
        signup("a plan that counts from 5", "plan = '[5:6]={exchange_code,subscribe_app}'", well),
        signup("a plan of the wrong order", "plan = '{subscribe_app,exchange_code}'", aside),
        signup("a step's name of a megabyte", "plan = ARRAY['exchange_code', repeat('é', 524288)]", aside, most: 2),
        signup("a step's name that a terminal obeys", "plan = ARRAY['exchange_code', E'\\x1b[2J\\u202e']", aside),
        signup("an unknown flow", "flow = 'moon'", aside),
    ]

    private static let secrets: [Poison] = [
        Poison("no secrets", "DELETE FROM embark.secrets WHERE signup_id = ANY ({ids})", aside),
        Poison("no signup", "DELETE FROM embark.signups WHERE id = ANY ({ids})", nil),
        secret(
            "a code of a megabyte",
            "code = repeat('x', 1048576)",
            at: "exchange_code",
            "failed code_spent customer",
            most: 3
        ),
        secret("a code in two lines", "code = E'a\\r\\nX-Evil: 1\\x1b'", at: "exchange_code", "failed 100 customer"),
        secret("an empty code", "code = ''", at: "exchange_code", "failed 100 customer"),
        secret("no token", "code = NULL", at: "verify_grant", "failed token_missing customer"),
        secret(
            "a token that does not open",
            "sealed_token = 'junk.x'",
            at: "verify_grant",
            "failed sealing_failed operator"
        ),
        secret("an empty token", "sealed_token = ''", at: "verify_grant", "failed sealing_failed operator"),
        secret(
            "a token of a megabyte",
            "sealed_token = repeat('e', 1048576)",
            at: "verify_grant",
            "failed sealing_failed operator",
            most: 3
        ),
        secret(
            "a PIN that does not open",
            "sealed_pin = E'\\x1b[2J'",
            at: "register_phone",
            "failed sealing_failed operator"
        ),
    ]

    private static let signups: [Poison] = [
        signup("the highest generation", "generation = 2147483647", well),
        signup("the lowest generation", "generation = -2147483648", well),
        signup("a code of 1900", "code_issued_at = '1900-01-01Z'", expired),
        signup("a code of the first moment", "code_issued_at = \(first)", expired),
        signup("a code since ever", "code_issued_at = '-infinity'", expired),
        signup("a code of never", "code_issued_at = 'infinity'", expired),
        signup("a code of 9999", "code_issued_at = '9999-12-31Z'", well),
        signup("a code of the last moment", "code_issued_at = \(last)", well),
        signup("moved in never", "created_at = '-infinity', updated_at = 'infinity'", well),
        signup("a token without an end", "token_expires_at = 'infinity'", well),
        signup("warnings with NULL", "warnings = '{{NULL,a}}'", well),
        signup("metadata of a megabyte", "metadata = jsonb_build_object('a', repeat('😀', 262144))", well, most: 2),
        signup("a name that a terminal obeys", "external_id = E'\\x1b[2J\\u202e\\n' || id", well),
        signup("a region that is none", "data_localization_region = E'\\x01\"}'", well),
        signup("no override's token", "override_callback_uri = 'x'", "failed verify_token_missing operator"),
        Poison(
            "a credit share since ever",
            "INSERT INTO embark.credit_shares (waba_id, signup_id, sent_at, posts) SELECT waba_id, id, '-infinity', 0 FROM embark.signups WHERE id = ANY ({ids})",
            well
        ),
        Poison(
            "calls to register of all times",
            """
            INSERT INTO embark.register_calls (phone_number_id, called_at, signup_id)
            SELECT s.phone_number_id, t.at, -s.id
              FROM embark.signups AS s, unnest(ARRAY['infinity', '-infinity', \(last), \(first)]::timestamptz[]) AS t (at)
             WHERE s.id = ANY ({ids})
            """,
            well
        ),
    ]

    /// In the tables that no signup owns.
    static let around = """
        INSERT INTO embark.throttles (scope, until, reason)
        VALUES ('nonsense', 'infinity', 'x'), ('', 'infinity', ''), (E'waba:\\x1b', 'infinity', repeat('r', 1048576)),
               ('waba:1', \(last), 'x'), ('phone:1', 'infinity', E'\\x1b[2J'), ('waba:2', '-infinity', 'x');
        INSERT INTO embark.workers (id, host, pid, version, seen_at, started_at, in_flight, key_ids) OVERRIDING SYSTEM VALUE
        VALUES (-1, E'h\\x1b[2J', -5, repeat('v', 1048576), 'infinity', '-infinity', -2147483648, '{{NULL,a}}'),
               (9223372036854775807, '', 2147483647, '', '-infinity', 'infinity', 2147483647, ARRAY[NULL]::text[]),
               (4294967296, repeat('x', 1048576), 0, E'a\\nb', now(), now(), 0, ARRAY[E'\\x1b']);
        INSERT INTO embark.outcomes (seq, signup_id, generation, type, error_code, at)
        VALUES (-9223372036854775808, -1, -1, 'signup.failed', repeat('x', 1048576), 'infinity'),
               (-1, 1, 1, 'signup.failed', E'\\x1b', '-infinity');
        INSERT INTO embark.audit (at, actor, action, signup_id, scope, reason, detail)
        VALUES ('infinity', E'\\x1b[2J', E'\\x1b', 1, E'\\n', repeat('x', 1048576), '[1]'), ('-infinity', '', 'skip', 1, '', '', 'null'),
               ('infinity', '', 'skip', 1, '', '', '{"failed_step": null}'), ('infinity', '', 'skip', 1, '', '', '7');
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                                     http_status, error_code, error_message, fbtrace_id)
        VALUES (-1, -1, E'\\x1b', -1, E'\\x1b', '-infinity', 'infinity', -1, -1, -32768, repeat('c', 1048576),
                repeat(E'\\x1b[2J', 100000), E'\\x1b'),
               (-1, 1, '', 2147483647, '', 'infinity', '-infinity', 9223372036854775807, 0, 32767, '', '', '');
        UPDATE embark.installation SET updated_at = 'infinity'
        """
}
