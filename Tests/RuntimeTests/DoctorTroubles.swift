/// What can be wrong with a database, for DoctorTests: how it comes about, what is found, and what ends it.
import SQL
import Testing

struct DoctorTrouble: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let provoke: String
    /// LEVEL subject: message
    let finding: String
    /// As printed; run as a superuser when it is SQL, as a command when it begins with "Run: ".
    let remedy: String
    /// What removes the trouble where the remedy is advice.
    var repair: String?
    var cleanUp = ""
}

extension DoctorTrouble {
    private static let enqueuer = "CREATE ROLE enqueuer LOGIN; GRANT embark_upstream TO enqueuer; "

    private static let renewal =
        "Have those customers go through the popup again, and enqueue each as a new signup, under another external_id. "
        + "Whose they are: "

    /// A completed signup each, of an account of its own, whose token ends so much later than now.
    private static func tokens(_ ends: String) -> String {
        "INSERT INTO embark.signups (flow, plan, code_issued_at, state, waba_id, token_expires_at) "
            + "SELECT 'cloud_api', '{exchange_code}', now(), 'completed', n, now() + e::interval "
            + "FROM unnest(ARRAY[\(ends)]) WITH ORDINALITY AS t (e, n) ORDER BY n"
    }

    /// The customers of all accounts have come again.
    private static let later =
        "INSERT INTO embark.signups (flow, plan, code_issued_at, state, waba_id, token_expires_at) "
        + "SELECT flow, plan, now(), 'completed', waba_id, now() + interval '60 days' FROM embark.signups"

    static let all = [
        DoctorTrouble(
            testDescription: "a group can log in",
            provoke: "ALTER ROLE embark_worker LOGIN",
            finding:
                "FAIL roles: embark_worker can log in, or is a superuser, or bypasses row security; it must only group rights",
            remedy: "ALTER ROLE embark_worker NOLOGIN NOSUPERUSER NOBYPASSRLS;"
        ),
        DoctorTrouble(
            testDescription: "a group is a superuser",
            provoke: "ALTER ROLE embark_reader SUPERUSER",
            finding:
                "FAIL roles: embark_reader can log in, or is a superuser, or bypasses row security; it must only group rights",
            remedy: "ALTER ROLE embark_reader NOLOGIN NOSUPERUSER NOBYPASSRLS;"
        ),
        DoctorTrouble(
            testDescription: "PUBLIC may call a function",
            provoke: "GRANT EXECUTE ON FUNCTION embark.credential(bigint) TO PUBLIC",
            finding: "FAIL functions: embark.credential(bigint) may be called by everybody",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "REVOKE EXECUTE ON FUNCTION embark.credential(bigint) FROM PUBLIC"
        ),
        DoctorTrouble(
            testDescription: "SECURITY DEFINER without search_path",
            provoke: "ALTER FUNCTION embark.credential(bigint) RESET search_path",
            finding: "FAIL functions: embark.credential(bigint) is SECURITY DEFINER without a pinned search_path",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "ALTER FUNCTION embark.credential(bigint) SET search_path = pg_catalog, embark, pg_temp"
        ),
        DoctorTrouble(
            testDescription: "SECURITY DEFINER with a search_path that begins elsewhere",
            provoke: "ALTER FUNCTION embark.credential(bigint) SET search_path = public, pg_catalog, embark, pg_temp",
            finding: "FAIL functions: embark.credential(bigint) is SECURITY DEFINER without a pinned search_path",
            remedy: "Compare it with sql/migrations and restore it.",
            repair: "ALTER FUNCTION embark.credential(bigint) SET search_path = pg_catalog, embark, pg_temp"
        ),
        DoctorTrouble(
            testDescription: "an account's limit was hit",
            provoke: "INSERT INTO embark.throttles (scope, until, reason) "
                + "VALUES ('waba:7', clock_timestamp() + interval '100.9 s', '80007 limit')",
            finding: "WARN pauses: waba:7 rests for 100 s more: 80007 limit",
            remedy: "It ends by itself. To call Graph before lengthens Meta's block.",
            repair: "DELETE FROM embark.throttles"
        ),
        DoctorTrouble(
            testDescription: "an operator's pause",
            provoke: "SELECT embark.pause('credit', now() + interval '100.9 s', 'ada', 'terms are being signed')",
            finding: "WARN pauses: credit rests for 100 s more: paused by ada: terms are being signed",
            remedy: "It ends by itself. To end it now: embark resume credit",
            repair: "SELECT embark.resume('credit')"
        ),
        DoctorTrouble(
            testDescription: "our system user's token was refused",
            provoke: "INSERT INTO embark.throttles (scope, until, reason, credentials) "
                + "VALUES ('system', clock_timestamp() + interval '100.9 s', '190 expired', true)",
            finding: "FAIL credentials: system rests for 100 s more: 190 expired",
            remedy: "Set EMBARK_SYSTEM_TOKEN anew, restart the workers, and run: embark resume system",
            repair: "SELECT embark.resume('system')"
        ),
        DoctorTrouble(
            testDescription: "tokens are about to end",
            provoke: tokens("'5.5 days', '9 days', '13 days', '15 days', '-15 days', '-1 year'"),
            finding:
                "WARN tokens: business tokens that end within 14 days: 3, the first in 5 days; signup 1, 2, 3",
            remedy: renewal + "embark signup show 1",
            repair: later
        ),
        DoctorTrouble(
            testDescription: "tokens have ended",
            provoke: tokens("'20 days', '-1 day', '-13 days', '-15 days', '-2 days', '-3 days', '-4 days', '-5 days'"),
            finding:
                "WARN tokens: business tokens that ended within the last 14 days: 6; signup 3, 8, 7, 6, 5 and others",
            remedy: renewal + "embark signup show 3",
            repair: later
        ),
        DoctorTrouble(
            testDescription: "a function of somebody else",
            provoke: "CREATE FUNCTION embark.strange() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
                + "REVOKE EXECUTE ON FUNCTION embark.strange() FROM PUBLIC",
            finding: "FAIL catalogue: function strange is not owned by embark_owner",
            remedy: "Drop it if nobody needs it.",
            repair: "DROP FUNCTION embark.strange()"
        ),
        DoctorTrouble(
            testDescription: "a login role reads the secrets",
            provoke: "CREATE ROLE curious LOGIN; GRANT SELECT ON embark.secrets TO curious",
            finding: "FAIL secrets: codes and PINs can be read by: curious",
            remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of.",
            repair: "REVOKE ALL ON embark.secrets FROM curious",
            cleanUp: "DROP ROLE curious"
        ),
        DoctorTrouble(
            testDescription: "a login role reads one column of the secrets through a group",
            provoke:
                "CREATE ROLE clique; CREATE ROLE curious LOGIN IN ROLE clique; GRANT SELECT (code) ON embark.secrets TO clique",
            finding: "FAIL secrets: codes and PINs can be read by: curious",
            remedy: "REVOKE ALL ON embark.secrets FROM those roles and from what they are members of.",
            repair: "REVOKE ALL (code) ON embark.secrets FROM clique",
            cleanUp: "DROP ROLE curious; DROP ROLE clique"
        ),
        DoctorTrouble(
            testDescription: "a failing statement's parameters are logged",
            provoke: enqueuer + "ALTER ROLE enqueuer SET log_parameter_max_length_on_error = -1",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length_on_error = -1 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        DoctorTrouble(
            testDescription: "slow statements are logged with their parameters",
            provoke: enqueuer + "ALTER ROLE enqueuer SET log_min_duration_statement = '1s'",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length = -1 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        DoctorTrouble(
            testDescription: "plans are logged with the values that were bound",
            provoke: enqueuer
                + "ALTER ROLE enqueuer SET auto_explain.log_min_duration = '1s'; ALTER ROLE enqueuer SET auto_explain.log_verbose = on",
            finding:
                "WARN server log: enqueuer: auto_explain.log_verbose = on writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET auto_explain.log_verbose = 'off';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        DoctorTrouble(
            testDescription: "an operator's login, who replays with new codes",
            provoke:
                "CREATE ROLE oncall LOGIN IN ROLE embark_operator; ALTER ROLE oncall SET log_min_duration_statement = '1s'",
            finding:
                "WARN server log: oncall: log_parameter_max_length = -1 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE oncall IN DATABASE DATABASE SET log_parameter_max_length = '0';",
            cleanUp: "DROP ROLE oncall"
        ),
        DoctorTrouble(
            testDescription: "a setting of the role in this database, which hides that of the role",
            provoke: enqueuer + "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = 64",
            finding:
                "WARN server log: enqueuer: log_parameter_max_length_on_error = 64 writes codes and PINs into the server's log",
            remedy: "ALTER ROLE enqueuer IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';",
            cleanUp: "DROP ROLE enqueuer"
        ),
        DoctorTrouble(
            testDescription: "a worker's login whose name needs quotes",
            provoke: #"CREATE ROLE "Work ""er" LOGIN IN ROLE embark_worker;"#
                + #"ALTER ROLE "Work ""er" SET log_parameter_max_length_on_error = 1"#,
            finding:
                #"WARN server log: Work "er: log_parameter_max_length_on_error = 1 writes codes and PINs into the server's log"#,
            remedy: #"ALTER ROLE "Work ""er" IN DATABASE DATABASE SET log_parameter_max_length_on_error = '0';"#,
            cleanUp: #"DROP ROLE "Work ""er""#
        ),
        DoctorTrouble(
            testDescription: "an index was dropped",
            provoke: "DROP INDEX embark.jobs_claim",
            finding: "FAIL catalogue: index jobs_claim is missing",
            remedy: "Compare it with sql/migrations/m0001_tables.sql and restore it.",
            repair: "CREATE INDEX jobs_claim ON embark.jobs (lane, due_at)"
        ),
        DoctorTrouble(
            testDescription: "an index was made anew, in another order",
            provoke: "DROP INDEX embark.jobs_claim; CREATE INDEX jobs_claim ON embark.jobs (due_at, lane)",
            finding: "FAIL catalogue: index jobs_claim is not as the migrations made it",
            remedy: "Compare it with sql/migrations/m0001_tables.sql and restore it.",
            repair: "DROP INDEX embark.jobs_claim; CREATE INDEX jobs_claim ON embark.jobs (lane, due_at)"
        ),
        DoctorTrouble(
            testDescription: "an index is not valid",
            provoke: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'embark.signups_waba_id'::regclass",
            finding: "FAIL catalogue: index signups_waba_id is not valid",
            remedy: "REINDEX INDEX embark.signups_waba_id;"
        ),
        DoctorTrouble(
            testDescription: "an index of somebody's own",
            provoke: "CREATE INDEX mine ON embark.signups (currency)",
            finding: "WARN catalogue: index mine is none of Embark's",
            remedy: "Drop it if nobody needs it.",
            repair: "DROP INDEX embark.mine"
        ),
        DoctorTrouble(
            testDescription: "a trigger is off",
            provoke: "ALTER TABLE embark.audit DISABLE TRIGGER audit_append_only",
            finding: "FAIL catalogue: trigger audit_append_only of audit is not enabled",
            remedy: "ALTER TABLE embark.audit ENABLE TRIGGER audit_append_only;"
        ),
        DoctorTrouble(
            testDescription: "a column is of another type",
            provoke: "ALTER TABLE embark.workers ALTER COLUMN in_flight TYPE bigint",
            finding: "FAIL catalogue: column workers.in_flight is not as the migrations made it",
            remedy: "Compare it with sql/migrations/m0001_tables.sql and restore it.",
            repair: "ALTER TABLE embark.workers ALTER COLUMN in_flight TYPE integer"
        ),
        DoctorTrouble(
            testDescription: "a function does something else",
            provoke: "CREATE OR REPLACE FUNCTION embark.refuse_change() RETURNS trigger LANGUAGE plpgsql "
                + "SET search_path = pg_catalog, embark, pg_temp AS 'BEGIN RETURN NEW; END'",
            finding: "FAIL catalogue: function refuse_change is not as the migrations made it",
            remedy: "Compare it with sql/migrations/m0001_tables.sql and restore it.",
            repair: remade("FUNCTION", of: 0, #"CREATE FUNCTION embark.refuse_change.*?END\n\$\$;"#)
        ),
        DoctorTrouble(
            testDescription: "a view shows something else",
            provoke:
                "CREATE OR REPLACE VIEW embark.job_list AS SELECT NULL::bigint AS signup_id, NULL::text COLLATE \"C\" AS external_id, "
                + "NULL::text AS step, NULL::text AS state, NULL::timestamptz AS due_at, NULL::integer AS attempt, "
                + "NULL::bigint AS worker_id, NULL::text AS last_error_code, NULL::text AS last_error_message, "
                + "NULL::timestamptz AS last_error_at",
            finding: "FAIL catalogue: view job_list is not as the migrations made it",
            remedy: "Compare it with sql/migrations/m0004_outcomes.sql and restore it.",
            repair: remade("VIEW", of: 3, "CREATE VIEW embark.job_list.*?;")
        ),
        DoctorTrouble(
            testDescription: "the queue would be lost in a crash",
            provoke: "ALTER TABLE embark.jobs SET UNLOGGED",
            finding: "FAIL catalogue: table jobs is not as the migrations made it",
            remedy: "Compare it with sql/migrations/m0001_tables.sql and restore it.",
            repair: "ALTER TABLE embark.jobs SET LOGGED"
        ),
        DoctorTrouble(
            testDescription: "a function belongs to somebody else",
            provoke: "ALTER FUNCTION embark.credential(bigint) OWNER TO postgres",
            finding: "FAIL catalogue: function credential is not owned by embark_owner",
            remedy: "Compare it with sql/migrations/m0004_outcomes.sql and restore it.",
            repair: "ALTER FUNCTION embark.credential(bigint) OWNER TO embark_owner"
        ),
        DoctorTrouble(
            testDescription: "the queue is not vacuumed",
            provoke: "ALTER TABLE embark.jobs SET (autovacuum_enabled = false)",
            finding: "FAIL vacuum: autovacuum is off, on the server or for embark.jobs: each claim will get slower",
            remedy: "Set autovacuum and track_counts on, and: ALTER TABLE embark.jobs RESET (autovacuum_enabled);",
            repair: "ALTER TABLE embark.jobs RESET (autovacuum_enabled)"
        ),
        DoctorTrouble(
            testDescription: "no worker is there",
            provoke: "UPDATE embark.workers SET seen_at = now() - interval '2 minutes'",
            finding: "WARN workers: none was heard of in the last minute",
            remedy: "Start one: embark worker. README, \"Run workers\", says what it needs.",
            repair: "UPDATE embark.workers SET seen_at = now()"
        ),
        DoctorTrouble(
            testDescription: "workers are of two versions",
            provoke: "INSERT INTO embark.workers (host, pid, version) VALUES ('two.example', 2, '0.0.9')",
            finding: "WARN workers: they are of several versions: 0.0.9 (1), 0.1.0 (1)",
            remedy: "Nothing breaks while you roll out. Then upgrade the others.",
            repair: "DELETE FROM embark.workers WHERE version = '0.0.9'"
        ),
        DoctorTrouble(
            testDescription: "a worker lacks the key that another one seals with",
            provoke: "INSERT INTO embark.workers (host, pid, version, key_ids) VALUES "
                + "('two.example', 2, '0.1.0', '{new,old}'), ('three.example', 3, '0.1.0', '{old}')",
            finding:
                "FAIL worker keys: jobs wait for a worker with their key: worker 3 (three.example, process 3) lacks new",
            remedy: "Give every worker the same EMBARK_SEALING_KEYS and restart it. See: embark key list",
            repair: "UPDATE embark.workers SET key_ids = '{old,new}' WHERE id = 3"
        ),
        DoctorTrouble(
            testDescription: "jobs are due and nobody claims them",
            provoke: "INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES "
                + "(7, 'subscribe_app', 5, now() - interval '400.5 s'), (8, 'exchange_code', 0, now() - interval '350 s'), "
                + "(9, 'register_phone', 5, now() - interval '10 s')",
            finding:
                "WARN queue: due for more than 300 s and claimed by nobody, jobs: 2, the oldest for 400 s: signup 7 at subscribe_app",
            remedy: "Look at it: embark why 7. If there are ever more, start more workers.",
            repair: "DELETE FROM embark.jobs"
        ),
        DoctorTrouble(
            testDescription: "a job has been due for hours",
            provoke: "INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES "
                + "(7, 'subscribe_app', 5, now() - interval '7200.5 s')",
            finding:
                "FAIL queue: due for more than 300 s and claimed by nobody, jobs: 1, the oldest for 7200 s: signup 7 at subscribe_app",
            remedy: "Look at it: embark why 7. If there are ever more, start more workers.",
            repair: "DELETE FROM embark.jobs"
        ),
        DoctorTrouble(
            testDescription: "what rests is due for hours, and that is the pause's finding",
            provoke: "INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES "
                + "(7, 'share_credit_line', 5, now() - interval '7200.5 s'); "
                + "INSERT INTO embark.throttles (scope, until, reason) VALUES ('credit', clock_timestamp() + interval '100.9 s', 'ours')",
            finding: "WARN pauses: credit rests for 100 s more: ours",
            remedy: "It ends by itself. To call Graph before lengthens Meta's block.",
            repair: "DELETE FROM embark.throttles; DELETE FROM embark.jobs"
        ),
        DoctorTrouble(
            testDescription: "not configured",
            provoke: "DELETE FROM embark.installation",
            finding: "FAIL installation: not configured: no signup can be enqueued",
            remedy: "Run: embark configure --app-id … --credit-line-id … --system-user-id …",
            repair: "INSERT INTO embark.installation (partner_mode, app_id) VALUES ('tech-provider', '1')"
        ),
        DoctorTrouble(
            testDescription: "the schema is newer",
            provoke: "INSERT INTO embark.schema_migrations VALUES (4711, 'm4711_later', 'x')",
            finding: "WARN schema: version 4711 is newer than this program",
            remedy: "Nothing breaks. Upgrade this program when the others are.",
            repair: "DELETE FROM embark.schema_migrations WHERE version = 4711"
        ),
        DoctorTrouble(
            testDescription: "a migration was altered",
            provoke: "UPDATE embark.schema_migrations SET sha256 = 'was ' || sha256 WHERE version = 2",
            finding:
                "FAIL schema: migration m0002_enqueue is not the file that was applied to this database: it was altered afterwards.",
            remedy: "Nothing was changed. Restore the file as it was released and put the change into a new migration.",
            repair: "UPDATE embark.schema_migrations SET sha256 = substr(sha256, 5) WHERE version = 2"
        ),
        DoctorTrouble(
            testDescription: "a migration is outstanding",
            provoke: "DROP SCHEMA embark CASCADE",
            finding: "FAIL schema: migrations are outstanding: \(SQL.migrations.map(\.name).joined(separator: ", "))",
            remedy: "Run: embark migrate"
        ),
    ]

    /// A statement that makes an object again as the migration at this place makes it.
    private static func remade(_ kind: String, of place: Int, _ pattern: String) -> String {
        let text = "$file$\(SQL.migrations[place].text)$file$"
        return "DO $do$ BEGIN EXECUTE replace(substring(\(text) FROM $pattern$\(pattern)$pattern$), 'CREATE \(kind)', "
            + "'CREATE OR REPLACE \(kind)'); END $do$"
    }
}
