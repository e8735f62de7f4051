-- The tables of Embark, all in schema embark and owned by embark_owner.
--
-- No table has a foreign key, and that is on purpose. Signups are never deleted, and every row that names one is
-- written by the function or the statement that has just read or made it. A key from jobs, secrets, attempts or
-- outcomes would check on each write what cannot be otherwise, and lock the signup's row meanwhile.
--
-- A violated constraint writes the whole failing row into the server's log. So the one table with secrets in plain
-- text has no constraint but its key: what enters it has been checked before.

-- Closed sets are enum types and not CHECK constraints: PostgreSQL compiles each CHECK of a table anew for every statement
-- that inserts into it, and with ten of them that was more than half of what enqueuing a signup cost. COLLATE "C" stands
-- where equality is all that matters: comparing by a locale is several times dearer in the indexes.
CREATE TYPE embark.signup_state AS ENUM ('running', 'completed', 'failed', 'cancelled');
CREATE TYPE embark.flow AS ENUM ('cloud_api', 'only_waba', 'coexistence', 'api_access_only');
CREATE TYPE embark.party AS ENUM ('customer', 'operator');
CREATE TYPE embark.outcome_type AS ENUM ('signup.completed', 'signup.failed', 'signup.cancelled');

-- What SQL and every worker must agree on: one row, no secrets.
CREATE TABLE embark.installation (
    singleton      boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    partner_mode   text        NOT NULL CHECK (partner_mode IN ('solution-partner', 'tech-provider')),
    app_id         text        NOT NULL CHECK (app_id ~ '^[0-9]{1,32}$'),
    credit_line_id text        CHECK (credit_line_id ~ '^[0-9]{1,32}$'),
    system_user_id text        CHECK (system_user_id ~ '^[0-9]{1,32}$'),
    business_id    text        CHECK (business_id ~ '^[0-9]{1,32}$'),
    -- Meta's list of 2026-06; an installation may have been promised others.
    currencies     text[]      NOT NULL DEFAULT '{AUD,EUR,GBP,IDR,INR,USD}' CHECK (cardinality(currencies) > 0),
    credit_method  text        NOT NULL DEFAULT 'share-and-attach'
                               CHECK (credit_method IN ('share-and-attach', 'share-then-attach')),
    verify_grant   boolean     NOT NULL DEFAULT true,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (partner_mode <> 'solution-partner' OR credit_line_id IS NOT NULL)
);

-- One row a signup, kept for ever: the public facts, the plan, and where it stands.
CREATE TABLE embark.signups (
    id                       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    external_id              text        COLLATE "C" UNIQUE,
    state                    embark.signup_state NOT NULL DEFAULT 'running',
    generation               integer     NOT NULL DEFAULT 1,
    flow                     embark.flow NOT NULL,
    -- The ordered steps, as derived from the flow and the installation when the signup was enqueued.
    plan                     text[]      NOT NULL,
    -- Where a failed signup stopped and whose move it is; all set or none. A running one has its step in jobs.
    failed_step              text,
    waiting_on               embark.party,
    error_code               text,
    error_message            text,
    waba_id                  text        COLLATE "C",
    phone_number_id          text        COLLATE "C",
    business_id              text        COLLATE "C",
    currency                 text,
    allocation_config_id     text,
    test_recipient           text,
    test_message             text,
    test_message_id          text,
    test_message_wa_id       text,
    warnings                 text[]      NOT NULL DEFAULT '{}',
    code_issued_at           timestamptz NOT NULL,
    redirect_uri             text,
    data_localization_region text,
    override_callback_uri    text,
    metadata                 jsonb       NOT NULL DEFAULT '{}',
    created_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at               timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Operators search by what a customer can tell them. Running signups are found through jobs.
CREATE INDEX signups_waba_id ON embark.signups (waba_id);
CREATE INDEX signups_phone_number_id ON embark.signups (phone_number_id);
CREATE INDEX signups_failed ON embark.signups (updated_at) WHERE state = 'failed';

-- All that must stay secret, in a table of its own, so that it is granted, vacuumed and erased apart.
CREATE TABLE embark.secrets (
    signup_id      bigint PRIMARY KEY,
    code           text,  -- plain text until it is exchanged, dead or cancelled
    pin            text,  -- plain text until the first worker that touches the signup has sealed it
    verify_token   text,  -- of the webhook override; plain text, for every subscribe call needs it again
    sealed_pin     text,  -- compact JWE
    sealed_token   text,  -- compact JWE: the business token
    -- SHA-256 over everything that was handed in: tells the same signup sent twice from another one under a used
    -- external id. Beside the secrets because a PIN is short enough to be guessed from its hash.
    content_sha256 bytea,
    renewal_sha256 bytea  -- the same of the latest renewal
) WITH (fillfactor = 80);

-- The queue: only what waits or is leased, at most one row a signup, so that a chain of steps cannot fork.
-- due_at is when the row may be claimed: its ready time or, while it is leased, the end of the lease. A retry, a snooze, a
-- schedule and the recovery from a crash are then one thing, a row whose due_at has come.
CREATE TABLE embark.jobs (
    signup_id  bigint      PRIMARY KEY,
    step       text        NOT NULL,
    lane       smallint    NOT NULL,           -- 0: holds an expiring code; 5: the rest
    attempt    integer     NOT NULL DEFAULT 0, -- executions so far that count
    due_at     timestamptz NOT NULL,
    give_up_at timestamptz,                    -- the step's horizon; none until its policy is known
    lease_id   bigint,
    worker_id  bigint,                         -- stays when a lease runs out: that is how an interrupted job is known
    sent       boolean     NOT NULL DEFAULT false -- the call may have left
) WITH (
    -- Rows live for milliseconds: many are dead, few alive. With the default thresholds the index head fills with dead
    -- entries faster than it is cleaned.
    fillfactor = 75,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX jobs_claim ON embark.jobs (lane, due_at);

-- One row an execution, appended and never changed; deleted in bounded batches after the retention.
CREATE TABLE embark.attempts (
    signup_id     bigint      NOT NULL,
    generation    integer     NOT NULL,
    step          text        NOT NULL,
    attempt       integer     NOT NULL,
    verdict       text        NOT NULL,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    worker_id     bigint,
    lease_id      bigint,
    http_status   smallint,
    error_code    text,
    error_message text,
    fbtrace_id    text
);
-- History is always read by its signup, newest first. No primary key: nothing names an attempt.
CREATE INDEX attempts_signup ON embark.attempts (signup_id, finished_at);
CREATE INDEX attempts_fbtrace_id ON embark.attempts (fbtrace_id) WHERE fbtrace_id IS NOT NULL;
CREATE INDEX attempts_finished_at ON embark.attempts USING brin (finished_at);

-- What upstream reads: one row each time a signup ends, written in the transaction that ends it. seq is given later, to
-- committed rows only, so that a reader who pages by it never misses a row that committed late.
CREATE TABLE embark.outcomes (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq        bigint      UNIQUE,
    signup_id  bigint      NOT NULL,
    generation integer     NOT NULL,
    type       embark.outcome_type NOT NULL,
    error_code text,
    waiting_on embark.party,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outcomes_unnumbered ON embark.outcomes (id) WHERE seq IS NULL;
CREATE INDEX outcomes_signup ON embark.outcomes (signup_id);

-- What Meta's limits, or an operator, have paused: shared by every process.
CREATE TABLE embark.throttles (
    scope  text        PRIMARY KEY, -- app, system, credit, waba:ID, phone:ID
    until  timestamptz NOT NULL,
    reason text        NOT NULL,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row a call to register, so that the quota of a number (10 in 72 h) holds over crashes, replays and signups.
CREATE TABLE embark.register_calls (
    phone_number_id text        COLLATE "C" NOT NULL,
    called_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    signup_id       bigint      NOT NULL,
    automatic       boolean     NOT NULL DEFAULT true -- false: an operator's replay
);
CREATE INDEX register_calls_phone ON embark.register_calls (phone_number_id, called_at);

-- The sent mark of a credit share. Its key is the account: two signups of one account cannot both post.
CREATE TABLE embark.credit_shares (
    waba_id              text        COLLATE "C" PRIMARY KEY,
    signup_id            bigint      NOT NULL,
    sent_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    allocation_config_id text
);

-- Who runs and who sleeps. An id is fresh for each start of a process and never used again.
CREATE TABLE embark.workers (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    sleeping   boolean     NOT NULL DEFAULT false,
    in_flight  integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Who changed what by hand, and why. Appended only.
CREATE TABLE embark.audit (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor        text        NOT NULL,
    session_user_name text   NOT NULL DEFAULT session_user,
    action       text        NOT NULL,
    signup_id    bigint,
    scope        text,
    reason       text        NOT NULL,
    detail       jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_signup ON embark.audit (signup_id) WHERE signup_id IS NOT NULL;

-- "Appended only" is a rule of the database, not a habit of its clients.
CREATE FUNCTION embark.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, embark, pg_temp AS
$$
BEGIN
    RAISE EXCEPTION 'embark.% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Add a new row that corrects the old one.';
END
$$;
REVOKE EXECUTE ON FUNCTION embark.refuse_change() FROM PUBLIC;
CREATE TRIGGER attempts_append_only BEFORE UPDATE OR TRUNCATE ON embark.attempts
    FOR EACH STATEMENT EXECUTE FUNCTION embark.refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON embark.audit
    FOR EACH STATEMENT EXECUTE FUNCTION embark.refuse_change();
CREATE TRIGGER outcomes_append_only BEFORE DELETE OR TRUNCATE OR UPDATE OF id, signup_id, generation, type, error_code, waiting_on, at
    ON embark.outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION embark.refuse_change();
