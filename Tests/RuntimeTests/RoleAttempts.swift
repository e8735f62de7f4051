/// What a login may try beyond the rows and functions of sql/tests/70_privileges.sql, and who succeeds.

struct RoleAttempt: Sendable {
    /// As logins' names without their beginning. "nobody" is a member of no role of Embark's.
    static let logins = ["upstream", "operator", "reader", "token_reader", "worker", "migrator", "nobody"]

    let statement: String
    /// The logins for which it works; for all others it is refused.
    let works: Set<String>

    private init(_ works: String, _ statement: String) {
        self.statement = statement
        self.works = works == "all" ? Set(Self.logins) : Set(works.split(separator: " ").map(String.init))
    }

    static let all = secrets + history + schema + roles + server

    /// A code, a PIN and a verify token by every door that PostgreSQL has.
    static let secrets = [
        RoleAttempt("worker migrator", "SELECT code FROM embark.secrets"),
        RoleAttempt("worker migrator", "SELECT count(*) FROM embark.secrets"),
        RoleAttempt("worker migrator", "SELECT s FROM embark.secrets AS s"),
        RoleAttempt("worker migrator", "EXPLAIN SELECT 1 FROM embark.secrets WHERE code LIKE 'A%'"),
        RoleAttempt("worker migrator", "EXPLAIN ANALYZE SELECT 1 FROM embark.secrets WHERE pin < '5'"),
        RoleAttempt(
            "worker migrator",
            "SELECT x.code FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id"
        ),
        // What ANALYZE keeps of a column is a sample of its values.
        RoleAttempt(
            "worker migrator",
            "SELECT 1 / count(*) FROM pg_stats WHERE schemaname = 'embark' AND tablename = 'secrets' AND attname = 'code'"
        ),
        RoleAttempt("", "SELECT stavalues1 FROM pg_statistic"),
        RoleAttempt(
            "",
            """
            DO $$ BEGIN
                EXECUTE (SELECT format('SELECT chunk_data FROM %s', c.reltoastrelid::regclass)
                           FROM pg_class AS c WHERE c.oid = 'embark.secrets'::regclass);
            END $$
            """
        ),
        RoleAttempt("worker migrator", "LOCK TABLE embark.secrets IN ACCESS SHARE MODE"),
        RoleAttempt("worker migrator", "UPDATE embark.secrets SET code = 'x'"),
        RoleAttempt("migrator", "INSERT INTO embark.secrets (signup_id) VALUES (99)"),
        RoleAttempt("migrator", "DELETE FROM embark.secrets"),
        RoleAttempt("", "COPY embark.secrets TO PROGRAM 'cat >/dev/null'"),
        RoleAttempt("", "COPY embark.secrets TO '/tmp/embark-secrets'"),
        RoleAttempt("migrator", "SELECT code FROM embark.signup_inbox"),
        RoleAttempt("migrator", "INSERT INTO embark.signup_inbox (code, currency) VALUES ('A', 'USD') RETURNING code"),
        RoleAttempt("migrator", "CREATE TEMPORARY TABLE heir () INHERITS (embark.secrets)"),
        RoleAttempt("migrator", "CREATE STATISTICS embark.more ON code, pin FROM embark.secrets"),
        RoleAttempt("token_reader migrator", "SELECT embark.credential(1)"),
        RoleAttempt("operator reader worker migrator", "SELECT * FROM embark.count_sealed(0, 10)"),
        // A trigger function runs with its owner's rights, whoever's table it is hung on.
        RoleAttempt(
            "migrator",
            """
            CREATE TEMPORARY TABLE own (code text);
            CREATE TRIGGER own BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION embark.inbox_row()
            """
        ),
        RoleAttempt(
            "",
            """
            SELECT 1 / count(*) FROM pg_stat_activity
             WHERE usename <> current_user AND query NOT IN ('', '<insufficient privilege>')
            """
        ),
        RoleAttempt("", "CREATE TEMPORARY TABLE own (line text); COPY own FROM '/etc/hostname'"),
        RoleAttempt("", "SELECT pg_read_file('server.log', 0, 100)"),
        RoleAttempt("", "SELECT pg_read_binary_file('base/1/1259')"),
        RoleAttempt("", "SELECT pg_ls_dir('.')"),
        RoleAttempt("", "SELECT lo_import('/etc/hostname')"),
        RoleAttempt("", "SELECT lo_export(1, '/tmp/embark-object')"),
        RoleAttempt("", "SELECT pg_create_logical_replication_slot('more', 'test_decoding')"),
    ]

    /// What happened stays as it is, and nobody invents more.
    static let history = [
        // Whoever may is met by the trigger: there is no right that lets history be rewritten but to own the table.
        RoleAttempt("", "UPDATE embark.attempts SET verdict = 'done'"),
        RoleAttempt("", "DELETE FROM embark.audit"),
        RoleAttempt("", "UPDATE embark.audit SET actor = 'somebody else'"),
        RoleAttempt("", "UPDATE embark.outcomes SET type = 'signup.completed'"),
        RoleAttempt("", "TRUNCATE embark.outcomes"),
        RoleAttempt("migrator", "INSERT INTO embark.audit (actor, action, reason) VALUES ('a', 'b', 'c')"),
        RoleAttempt("migrator", "ALTER TABLE embark.audit DISABLE TRIGGER USER"),
        RoleAttempt("", "SET LOCAL session_replication_role = replica"),
        RoleAttempt("worker migrator", "UPDATE embark.signups SET state = 'completed'"),
        RoleAttempt("", "UPDATE embark.signup_status SET state = 'completed'"),
        RoleAttempt("worker migrator", "SELECT 1 FROM embark.signups FOR UPDATE"),
        RoleAttempt("worker migrator", "LOCK TABLE embark.jobs IN ACCESS EXCLUSIVE MODE"),
        RoleAttempt("migrator", "SELECT nextval('embark.signups_id_seq')"),
        RoleAttempt("migrator", "SELECT last_value FROM embark.signups_id_seq"),
    ]

    static let schema = [
        RoleAttempt("migrator", "CREATE TABLE embark.more (n integer)"),
        RoleAttempt("migrator", "CREATE FUNCTION embark.more() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
        RoleAttempt("migrator", "CREATE TYPE embark.more AS ENUM ('a')"),
        RoleAttempt("migrator", "ALTER TABLE embark.signups ADD COLUMN more text"),
        RoleAttempt("migrator", "ALTER TABLE embark.jobs ENABLE ROW LEVEL SECURITY"),
        RoleAttempt("migrator", "DROP TABLE embark.audit"),
        RoleAttempt("migrator", "DROP SCHEMA embark CASCADE"),
        RoleAttempt(
            "migrator",
            "CREATE TRIGGER more BEFORE INSERT ON embark.jobs FOR EACH STATEMENT EXECUTE FUNCTION embark.refuse_change()"
        ),
        RoleAttempt("migrator", "CREATE RULE more AS ON INSERT TO embark.jobs DO INSTEAD NOTHING"),
        RoleAttempt("migrator", "CREATE INDEX ON embark.secrets (code)"),
        RoleAttempt("migrator", "ALTER FUNCTION embark.credential RESET search_path"),
        RoleAttempt("migrator", "COMMENT ON TABLE embark.jobs IS 'mine'"),
        // To whoever holds a right without the option to grant it this is a warning and has no effect.
        RoleAttempt(
            "migrator",
            """
            GRANT SELECT ON embark.secrets TO PUBLIC;
            SELECT 1 / has_table_privilege('nobody_at_all', 'embark.secrets', 'SELECT')::integer
            """
        ),
        RoleAttempt("migrator", "ALTER DEFAULT PRIVILEGES FOR ROLE embark_owner GRANT SELECT ON TABLES TO PUBLIC"),
        RoleAttempt("", "CREATE SCHEMA more"),
        RoleAttempt("", "CREATE TABLE public.more (n integer)"),
        RoleAttempt("", "CREATE PUBLICATION more FOR TABLE embark.secrets"),
        // PostgreSQL's own defaults, which Embark leaves alone.
        RoleAttempt("all", "CREATE TEMPORARY TABLE more (n integer)"),
        RoleAttempt("all", "SELECT lo_create(0)"),
        RoleAttempt("all", "NOTIFY embark_outcomes"),
    ]

    static let roles = [
        RoleAttempt("migrator", "SET LOCAL ROLE embark_owner"),
        RoleAttempt("worker", "SET LOCAL ROLE embark_worker"),
        RoleAttempt("upstream", "SET LOCAL ROLE embark_upstream"),
        RoleAttempt("token_reader", "SET LOCAL ROLE embark_token_reader"),
        RoleAttempt("", "SET LOCAL ROLE postgres"),
        RoleAttempt("", "SET LOCAL ROLE pg_read_all_data"),
        RoleAttempt("", "SET LOCAL SESSION AUTHORIZATION postgres"),
        RoleAttempt("", "SET LOCAL SESSION AUTHORIZATION embark_owner"),
        RoleAttempt("", "GRANT embark_owner TO CURRENT_USER"),
        RoleAttempt("", "GRANT embark_worker TO nobody_at_all"),
        RoleAttempt("", "CREATE ROLE more"),
        RoleAttempt("", "ALTER ROLE embark_worker LOGIN"),
        RoleAttempt("", "ALTER ROLE CURRENT_USER SUPERUSER"),
        RoleAttempt("", "ALTER ROLE CURRENT_USER SET log_statement = 'all'"),
    ]

    static let server = [
        RoleAttempt("", "SET LOCAL log_statement = 'all'"),
        RoleAttempt("", "SET LOCAL log_min_duration_statement = 0"),
        RoleAttempt("", "SET LOCAL log_parameter_max_length = -1"),
        RoleAttempt("", "LOAD 'auto_explain'"),
        RoleAttempt("", "SELECT pg_reload_conf()"),
        RoleAttempt(
            "",
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a WHERE a.usename = 'postgres'"
        ),
        RoleAttempt("", "CREATE EXTENSION dblink"),
        RoleAttempt("", "CREATE FUNCTION pg_temp.more() RETURNS integer LANGUAGE c AS 'more'"),
        RoleAttempt("", "CREATE EVENT TRIGGER more ON ddl_command_start EXECUTE FUNCTION embark.refuse_change()"),
    ]
}
