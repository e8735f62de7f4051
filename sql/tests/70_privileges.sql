-- Who may do what, tried out by a member of each role, against a matrix that is written by hand: what a role needs works,
-- everything else is refused with 42501.
BEGIN;
SET client_min_messages = warning;

SELECT plan(177);

-- Something to work on: signup 1 runs, signup 2 waits on the customer.
SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'here');
SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'failed');
UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer' WHERE external_id = 'failed';
DELETE FROM embark.jobs WHERE signup_id = 2;

CREATE SCHEMA test;
-- Members, as people and programs are, that cannot log in. The roles vanish with the transaction.
CREATE TABLE test.roles (place integer GENERATED ALWAYS AS IDENTITY, name text, member text);
INSERT INTO test.roles (name, member)
SELECT name, 'embark_test_' || name
  FROM unnest(ARRAY['upstream', 'operator', 'reader', 'token_reader', 'worker', 'migrator', 'nobody']) AS name;
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM test.roles LOOP
        EXECUTE format('CREATE ROLE %I NOLOGIN', r.member);
        IF r.name <> 'nobody' THEN
            EXECUTE format('GRANT %I TO %I', 'embark_' || r.name, r.member);
        END IF;
    END LOOP;
END
$$;

-- Tries a statement as a member of the role, and undoes it. 'works', or the SQLSTATE and the message.
CREATE FUNCTION test.try(role text, statement text) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', (SELECT r.member FROM test.roles AS r WHERE r.name = role));
    EXECUTE statement;
    RAISE SQLSTATE 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN RETURN 'works';
    WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
-- Whether it was let through. What comes behind the check of privileges (a missing value, a rule about the input, an
-- append-only table, whose error is 42501 too) has been let through.
CREATE FUNCTION test.let_through(role text, statement text) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
    ended text := test.try(role, statement);
BEGIN
    IF ended ~ '^42501 permission denied' THEN
        RETURN false;
    -- A view that cannot be written, a view that cannot be truncated: nobody is let through.
    ELSIF ended ~ '^(55000|42809) .*(view|is not a table)' THEN
        RETURN false;
    ELSIF ended ~ '^(works|23502|22023|42501 embark\..* is append-only)' THEN
        RETURN true;
    END IF;
    RETURN NULL; -- neither: the statement is no test of privileges
END
$$;

-- Tables and views. S select, I insert, U update, D delete, T truncate.
CREATE TABLE test.relations (
    name text, upstream text, operator text, reader text, token_reader text, worker text, migrator text, nobody text);
INSERT INTO test.relations VALUES
    --                   upstream operator reader token_reader worker  migrator nobody
    ('installation',      '',      'S',     'S',   '',          'S',    'SIUDT', ''),
    ('signups',           '',      'S',     'S',   '',          'SU',   'SIUDT', ''),
    ('secrets',           '',      '',      '',    '',          'SU',   'SIUDT', ''),
    ('jobs',              '',      'S',     'S',   '',          'SIUD', 'SIUDT', ''),
    ('attempts',          '',      'S',     'S',   '',          'SID',  'SIUDT', ''),
    ('outcomes',          '',      'S',     'S',   '',          'SI',   'SIUDT', ''),
    ('throttles',         '',      'S',     'S',   '',          'SIUD', 'SIUDT', ''),
    ('register_calls',    '',      'S',     'S',   '',          'SID',  'SIUDT', ''),
    ('credit_shares',     '',      'S',     'S',   '',          'SIUD', 'SIUDT', ''),
    ('workers',           '',      'S',     'S',   '',          'SIUD', 'SIUDT', ''),
    ('audit',             '',      'S',     'S',   '',          'S',    'SIUDT', ''),
    ('schema_migrations', '',      'S',     'S',   '',          'S',    'SIUDT', ''),
    -- Upstream may select the inbox's id alone, which the column's own tests below look at.
    ('signup_inbox',      'I',     '',      '',    '',          '',     'SI',    ''),
    ('signup_status',     'S',     'S',     'S',   '',          'S',    'S',     ''),
    ('job_list',          '',      'S',     'S',   '',          'S',    'S',     '');
SELECT is(
    (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
      WHERE relnamespace = 'embark'::regnamespace AND relkind NOT IN ('i', 'S')),
    (SELECT array_agg(name ORDER BY name) FROM test.relations),
    'the matrix has every table and view of the schema');
SELECT is(
    (SELECT string_agg(a.letter, '' ORDER BY a.place) FILTER (WHERE a.passed) || coalesce(
                string_agg(' ' || a.letter || ' is untested', '') FILTER (WHERE a.passed IS NULL), '')
       FROM (SELECT v.letter, v.place, test.let_through(r.name, format(v.statement, m.name, c.attname)) AS passed
               FROM (VALUES (1, 'S', 'SELECT * FROM embark.%1$I LIMIT 0'),
                            (2, 'I', 'INSERT INTO embark.%1$I DEFAULT VALUES'),
                            (3, 'U', 'UPDATE embark.%1$I SET %2$I = DEFAULT WHERE false'),
                            (4, 'D', 'DELETE FROM embark.%1$I WHERE false'),
                            (5, 'T', 'TRUNCATE embark.%1$I')) AS v (place, letter, statement)
               JOIN pg_attribute AS c ON c.attrelid = format('embark.%I', m.name)::regclass AND c.attnum = 1) AS a),
    nullif(to_jsonb(m) ->> r.name, ''),
    format('%s may do this and nothing else with %s: %s', r.name, m.name, coalesce(nullif(to_jsonb(m) ->> r.name, ''), 'nothing')))
  FROM test.roles AS r CROSS JOIN test.relations AS m
 ORDER BY r.place, m.name;
-- What the statements above do not try: single columns, and the rights to make keys and triggers.
SELECT is_empty(
    $$SELECT r.name, m.name, p.privilege
        FROM test.roles AS r CROSS JOIN test.relations AS m CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (privilege)
       WHERE has_any_column_privilege(r.member, 'embark.' || m.name, p.privilege)
         AND NOT has_table_privilege(r.member, 'embark.' || m.name, p.privilege)
         AND (r.name, m.name, p.privilege) <> ('upstream', 'signup_inbox', 'SELECT')$$,
    'no role has a right to single columns, but upstream to the inbox');
SELECT is(
    ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = 'embark.signup_inbox'::regclass AND a.attnum > 0
             AND has_column_privilege('embark_test_upstream', a.attrelid, a.attnum, 'SELECT')),
    ARRAY['id'], 'of the inbox upstream may select the id alone');
SELECT is_empty(
    $$SELECT r.name, m.name
        FROM test.roles AS r CROSS JOIN test.relations AS m
       WHERE r.name <> 'migrator' AND has_table_privilege(r.member, 'embark.' || m.name, 'REFERENCES, TRIGGER')$$,
    'no role but the migrator may make keys to the tables, or triggers on them');
SELECT is_empty(
    $$SELECT r.name, c.relname
        FROM test.roles AS r CROSS JOIN pg_class AS c
       WHERE c.relnamespace = 'embark'::regnamespace AND c.relkind = 'S' AND r.name <> 'migrator'
         AND has_sequence_privilege(r.member, c.oid, 'USAGE, SELECT, UPDATE')$$,
    'no role but the migrator may touch a sequence, not even to see how many signups there are');
SELECT is(
    ARRAY(SELECT name FROM test.roles WHERE has_schema_privilege(member, 'embark', 'USAGE') ORDER BY place),
    ARRAY['upstream', 'operator', 'reader', 'token_reader', 'worker', 'migrator'],
    'each role may look into the schema, and nobody else');
SELECT is(
    ARRAY(SELECT name FROM test.roles WHERE has_schema_privilege(member, 'embark', 'CREATE') ORDER BY place),
    ARRAY['migrator'], 'the migrator alone may make something in the schema');
SELECT is(
    ARRAY(SELECT b.rolname::text FROM pg_roles AS a, pg_roles AS b
           WHERE a.rolname ~ '^embark_(owner|worker|upstream|operator|reader|token_reader)$'
             AND b.rolname ~ '^embark_(owner|migrator|worker|upstream|operator|reader|token_reader)$'
             AND a.oid <> b.oid AND pg_has_role(a.oid, b.oid, 'MEMBER')),
    ARRAY[]::text[], 'no role but the migrator is a member of another');
SELECT is_empty(
    $$SELECT rolname FROM pg_roles
       WHERE rolname ~ '^embark_(owner|migrator|worker|upstream|operator|reader|token_reader)$'
         AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)$$,
    'no role can log in or has an attribute beyond its grants');

-- Functions. Each is called with NULLs; trigger functions, which cannot be called, are looked up.
CREATE TABLE test.functions (name text, roles text);
INSERT INTO test.functions VALUES
    ('enqueue_signup',         'upstream migrator'),
    ('renew_signup',           'upstream migrator'),
    ('outcomes_since',         'upstream operator reader migrator'),
    ('replay',                 'operator migrator'),
    ('replay_refusal',         'operator migrator'),
    ('skip',                   'operator migrator'),
    ('cancel',                 'operator migrator'),
    ('go_on',                  'migrator'),
    ('resolve',                'operator migrator'),
    ('pause',                  'operator migrator'),
    ('resume',                 'operator migrator'),
    ('mend',                   'operator migrator'),
    ('scope_refusal',          'migrator'),
    ('audit_refusal',          'migrator'),
    ('credential',             'token_reader migrator'),
    ('count_sealed',           'operator reader worker migrator'),
    ('number_outcomes',        'worker migrator'),
    ('delete_old_attempts',    'worker migrator'),
    ('accept_signup',          'migrator'),
    ('signup_refusal',         'migrator'),
    ('plan_steps',             'migrator'),
    ('raise_refusal',          'migrator'),
    ('wake_workers',           'migrator'),
    ('refuse_change',          'migrator'),
    ('inbox_before_statement', 'migrator'),
    ('inbox_row',              'migrator'),
    ('inbox_after_statement',  'migrator');
SELECT is(
    (SELECT array_agg(proname::text ORDER BY proname) FROM pg_proc WHERE pronamespace = 'embark'::regnamespace),
    (SELECT array_agg(name ORDER BY name) FROM test.functions),
    'the matrix has every function of the schema');
CREATE FUNCTION test.may_call(role text, function oid) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
    arguments text := (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY place)
                         FROM pg_proc AS p, unnest(p.proargtypes) WITH ORDINALITY AS a (t, place) WHERE p.oid = function);
    ended     text;
BEGIN
    IF (SELECT prorettype = 'trigger'::regtype FROM pg_proc WHERE oid = function) THEN
        RETURN has_function_privilege((SELECT member FROM test.roles WHERE name = role), function, 'EXECUTE');
    END IF;
    ended := test.try(role, format('SELECT %s(%s)', function::regproc, arguments));
    RETURN ended !~ '^42501 permission denied for (function|schema)';
END
$$;
SELECT is(
    (SELECT string_agg(r.name, ' ' ORDER BY r.place) FROM test.roles AS r
      WHERE test.may_call(r.name, ('embark.' || f.name)::regproc)),
    f.roles, format('%s may be called by: %s', f.name, f.roles))
  FROM test.functions AS f ORDER BY f.name;
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
       WHERE pronamespace = 'embark'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')$$,
    'PUBLIC may call no function of the schema');
SET LOCAL ROLE embark_owner;
CREATE FUNCTION embark.forgotten() RETURNS integer LANGUAGE sql AS 'SELECT 1';
RESET ROLE;
SELECT ok(NOT has_function_privilege('public', 'embark.forgotten()', 'EXECUTE'),
    'PUBLIC may not even call a function whose migration forgot to say so');
DROP FUNCTION embark.forgotten();
SELECT is_empty(
    $$SELECT c.relname, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
       WHERE c.relnamespace = 'embark'::regnamespace AND a.grantee = 0$$,
    'PUBLIC has no right to a table or view of the schema');

-- Functions that run with the owner's rights.
SELECT is(
    (SELECT array_agg(proname::text ORDER BY proname) FROM pg_proc WHERE pronamespace = 'embark'::regnamespace AND prosecdef),
    ARRAY['cancel', 'count_sealed', 'credential', 'enqueue_signup', 'inbox_after_statement', 'inbox_before_statement', 'inbox_row', 'mend',
          'number_outcomes', 'outcomes_since', 'pause', 'renew_signup', 'replay', 'resolve', 'resume', 'skip'],
    'these functions run with the rights of their owner, and no others');
SELECT is_empty(
    $$SELECT oid::regprocedure, proconfig FROM pg_proc
       WHERE pronamespace = 'embark'::regnamespace AND prosecdef
         AND ('search_path=pg_catalog, embark, pg_temp' = ANY (proconfig)) IS NOT TRUE$$,
    'each of them pins its search_path');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
       WHERE pronamespace = 'embark'::regnamespace AND prosrc ~* '\mexecute\M'$$,
    'no function puts a statement together: there is nothing to inject into');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
       WHERE pronamespace = 'embark'::regnamespace AND proowner <> 'embark_owner'::regrole$$,
    'every function is owned by embark_owner');
-- A helper without a pinned path would look for its tables where its caller says.
SELECT is_empty(
    $$SELECT p.oid::regprocedure, r.name FROM pg_proc AS p CROSS JOIN test.roles AS r
       WHERE p.pronamespace = 'embark'::regnamespace AND p.proconfig IS NULL AND r.name <> 'migrator'
         AND has_function_privilege(r.member, p.oid, 'EXECUTE')$$,
    'a function without a pinned search_path is called by the owner alone');

-- What each role is there for.
CREATE TABLE test.work (place integer GENERATED ALWAYS AS IDENTITY, role text, what text, statement text);
INSERT INTO test.work (role, what, statement) VALUES
    ('upstream', 'enqueues by the function', $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD')$$),
    ('upstream', 'enqueues by the inbox, and gets the id',
        $$INSERT INTO embark.signup_inbox (code, currency) VALUES ('c', 'USD') RETURNING id$$),
    ('upstream', 'renews a signup', $$SELECT embark.renew_signup('failed', 'AQ-new')$$),
    ('upstream', 'reads the status', $$SELECT * FROM embark.signup_status$$),
    ('upstream', 'reads the outcomes', $$SELECT * FROM embark.outcomes_since(0)$$),
    ('operator', 'reads the jobs', $$SELECT * FROM embark.job_list$$),
    ('operator', 'replays a signup', $$SELECT embark.replay(2, new_code => 'AQ-new')$$),
    ('operator', 'asks why a replay would be refused', $$SELECT embark.replay_refusal(2)$$),
    ('operator', 'cancels a signup that runs', $$SELECT embark.cancel(1)$$),
    ('operator', 'reads the outcomes', $$SELECT * FROM embark.outcomes_since(0)$$),
    ('operator', 'counts what each key has sealed', $$SELECT * FROM embark.count_sealed(0, 100)$$),
    ('reader', 'reads the jobs', $$SELECT * FROM embark.job_list$$),
    ('reader', 'reads the attempts and the audit', $$SELECT * FROM embark.attempts CROSS JOIN embark.audit$$),
    ('token_reader', 'reads a token', $$SELECT embark.credential(1)$$),
    ('worker', 'registers itself', $$INSERT INTO embark.workers (host, pid, version) VALUES ('h', 1, '1') RETURNING id$$),
    ('worker', 'claims a job', $$UPDATE embark.jobs SET lease_id = 1, worker_id = 1, due_at = clock_timestamp() + interval '13 s'
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM embark.jobs WHERE lane = 0 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED))
        RETURNING *$$),
    ('worker', 'settles a step', $$WITH done AS (DELETE FROM embark.jobs WHERE signup_id = 1 RETURNING signup_id),
        attempt AS (INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
            SELECT signup_id, 1, 'exchange_code', 1, 'done', now(), now() FROM done)
        INSERT INTO embark.jobs (signup_id, step, lane, due_at) SELECT signup_id, 'verify_grant', 5, now() FROM done$$),
    ('worker', 'seals and erases secrets', $$UPDATE embark.secrets SET sealed_pin = 'x', pin = NULL, code = NULL WHERE pin IS NULL$$),
    ('worker', 'reseals a secret', $$UPDATE embark.secrets SET sealed_token = 'new' WHERE signup_id IN
        (SELECT signup_id FROM embark.secrets WHERE sealed_token = 'old' FOR UPDATE SKIP LOCKED)$$),
    ('worker', 'ends a signup', $$WITH ended AS (UPDATE embark.signups SET state = 'completed' WHERE id = 1 RETURNING id)
        INSERT INTO embark.outcomes (signup_id, generation, type) SELECT id, 1, 'signup.completed' FROM ended$$),
    ('worker', 'numbers outcomes', $$SELECT embark.number_outcomes(100)$$),
    ('worker', 'notes a throttle', $$INSERT INTO embark.throttles (scope, until, reason) VALUES ('app', now(), 'x')
        ON CONFLICT (scope) DO UPDATE SET until = excluded.until$$),
    ('worker', 'counts a call to register', $$INSERT INTO embark.register_calls (phone_number_id, signup_id) VALUES ('1', 1)$$),
    ('worker', 'marks a credit share', $$INSERT INTO embark.credit_shares (waba_id, signup_id) VALUES ('1', 1)$$),
    ('worker', 'deletes old attempts', $$DELETE FROM embark.attempts WHERE finished_at < now()$$),
    ('migrator', 'makes a table as the owner', $$SET LOCAL ROLE embark_owner; CREATE TABLE embark.more (n integer)$$),
    ('migrator', 'records a migration', $$INSERT INTO embark.schema_migrations (version, name, sha256) VALUES (9999, 'x', 'x')$$);
SELECT is(test.try(role, statement), 'works', role || ' ' || what) FROM test.work ORDER BY place;

SELECT * FROM finish();
ROLLBACK;
