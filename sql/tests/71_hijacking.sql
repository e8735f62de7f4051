-- A caller who prepared the ground: tables, functions and operators of the same names earlier on the search_path and among
-- temporary objects. The functions that run with their owner's rights touch none of them.
BEGIN;
SET client_min_messages = warning;

SELECT plan(30);

CREATE ROLE embark_test_caller NOLOGIN IN ROLE embark_upstream, embark_token_reader, embark_worker, embark_operator;
CREATE SCHEMA evil AUTHORIZATION embark_test_caller;
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO embark_test_caller;
SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'failed');
UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer';
DELETE FROM embark.jobs;
UPDATE embark.secrets SET sealed_token = 'sealed';
INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (1, 1, 'signup.failed');

-- The caller owns all of this. What a function of its own is called by runs with the rights of whoever calls it.
CREATE FUNCTION test.set_traps() RETURNS integer LANGUAGE plpgsql AS
$$
DECLARE
    relation name;
    routine  record;
    operator record;
    traps    integer := 0;
BEGIN
    FOR relation IN
        SELECT relname FROM pg_class
         WHERE relnamespace = 'embark'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'signup_inbox'
    LOOP
        EXECUTE format('CREATE TABLE evil.%I (LIKE embark.%I)', relation, relation);
        EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE embark.%I)', relation, relation);
        EXECUTE format('ALTER TABLE evil.%I OWNER TO embark_test_caller', relation);
        EXECUTE format('GRANT ALL ON pg_temp.%I TO PUBLIC', relation);
    END LOOP;
    -- An installation that would let anything pass.
    INSERT INTO evil.installation (singleton, partner_mode, app_id, currencies, credit_method, verify_grant, updated_at)
    VALUES (true, 'tech-provider', '1', '{XXX}', 'x', false, now());
    INSERT INTO pg_temp.installation SELECT * FROM evil.installation;
    FOR routine IN
        SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
          FROM pg_proc AS p
         WHERE (p.pronamespace = 'embark'::regnamespace AND p.prorettype <> 'trigger'::regtype
                OR p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.proname IN (
                    'now', 'clock_timestamp', 'sha256', 'convert_to', 'octet_length', 'char_length', 'jsonb_typeof', 'isfinite',
                    'set_config', 'current_setting', 'split_part', 'left', 'substr', 'pg_notify', 'hashtext',
                    'pg_try_advisory_xact_lock'))
           AND pg_get_function_result(p.oid) NOT LIKE 'TABLE%'
    LOOP
        EXECUTE format($sql$CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''hijacked by a function''; END'$sql$, routine.proname, routine.arguments, routine.result);
        traps := traps + 1;
    END LOOP;
    FOR operator IN
        SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result
          FROM pg_operator AS o
         WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b'
           AND o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '~', '!~', '->', '->>', '-', '+')
           AND o.oprleft IN ('text'::regtype, 'jsonb'::regtype, 'bigint'::regtype, 'integer'::regtype, 'bytea'::regtype,
                             'timestamptz'::regtype)
           AND o.oprright IN ('text'::regtype, 'jsonb'::regtype, 'bigint'::regtype, 'integer'::regtype, 'bytea'::regtype,
                              'timestamptz'::regtype, 'interval'::regtype, 'text[]'::regtype)
    LOOP
        EXECUTE format($sql$CREATE FUNCTION evil.trap_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''hijacked by an operator''; END'$sql$, traps, operator.l, operator.r, operator.result);
        EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.trap_%s, LEFTARG = %s, RIGHTARG = %s)',
            operator.oprname, traps, operator.l, operator.r);
        traps := traps + 1;
    END LOOP;
    CREATE TYPE evil.flow AS ENUM ('evil');
    CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
    CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (false);
    CREATE DOMAIN evil.timestamptz AS pg_catalog.timestamptz CHECK (false);
    RETURN traps;
END
$$;
SELECT cmp_ok(test.set_traps(), '>', 60, 'traps have been set');

-- Runs a statement as the caller, with the traps before everything else. Its own search_path comes back when it ends.
CREATE FUNCTION test.run(statement text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, public AS
$$
DECLARE
    result text;
BEGIN
    SET LOCAL ROLE embark_test_caller;
    SET LOCAL search_path = evil, pg_temp, pg_catalog, embark;
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
END
$$;
SELECT throws_ok($$SELECT test.run('SELECT clock_timestamp()')$$, 'P0001', 'hijacked by a function',
    'the traps work: the caller''s own call of a function of PostgreSQL''s falls into one');
SELECT throws_ok($$SELECT test.run('SELECT 1 = 1')$$, 'P0001', 'hijacked by an operator',
    'the traps work: the caller''s own comparison falls into one');
SELECT is(test.run('SELECT app_id FROM installation'), '1', 'the traps work: the caller''s own query reads the wrong table');

SELECT is(test.run($$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'by function',
        webhook_override => '{"override_callback_uri": "https://x", "verify_token": "t"}')$$), '2',
    'enqueue_signup falls into none');
SELECT is(test.run($$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'by function',
        webhook_override => '{"override_callback_uri": "https://x", "verify_token": "t"}')$$), '2',
    'nor when it looks a signup up again');
SELECT is(test.run($$INSERT INTO embark.signup_inbox (code, currency, external_id, metadata, code_issued_at)
        VALUES ('c', 'USD', 'by inbox', '{"n": 1}', '2026-01-01T00:00:00Z') RETURNING id$$), '4',
    'the inbox falls into none');
SELECT is(test.run($$SELECT embark.renew_signup('failed', 'AQ-new', '000000')$$), '1', 'renew_signup falls into none');
SELECT is(test.run('SELECT embark.number_outcomes(10)'), '1', 'number_outcomes falls into none');
SELECT is(test.run('SELECT seq FROM embark.outcomes_since(0, 10)'), '1', 'outcomes_since falls into none');
SELECT is(test.run('SELECT embark.credential(1)'), 'sealed', 'credential falls into none');
SELECT throws_ok($$SELECT test.run('SELECT embark.enqueue_signup(code => ''c'', currency => ''XXX'')')$$, '22023', NULL,
    'enqueue_signup asks the true installation');
SELECT throws_ok($$SELECT test.run('INSERT INTO embark.signup_inbox (code, currency) VALUES (''c'', ''XXX'')')$$, '22023', NULL,
    'the inbox asks the true installation');

SELECT is((SELECT count(*)::integer FROM embark.jobs), 3, 'their jobs are in the true table');
-- What operators call: signup 1 failed at a step that can be skipped, 2 where it can be replayed, 4 with an effect in doubt.
UPDATE embark.signups
   SET state = 'failed', waiting_on = 'operator', waba_id = '5', phone_number_id = '6', error_code = '2200',
       failed_step = CASE id WHEN 1 THEN 'register_phone' ELSE 'subscribe_app' END;
UPDATE embark.signups SET error_code = 'effect_uncertain' WHERE id = 4;
DELETE FROM embark.jobs;
SELECT ok(test.run('SELECT embark.replay_refusal(4)') LIKE '55000 %', 'replay_refusal falls into none');
SELECT is(test.run('SELECT embark.mend(2, phone_number_id => ''7'')'), '', 'mend falls into none');
SELECT is(test.run('SELECT embark.replay(2, new_pin => ''000001'')'), '2', 'replay falls into none');
SELECT is(test.run('SELECT embark.skip(1)'), 'completed', 'skip falls into none');
SELECT is(test.run('SELECT embark.resolve(4, false)'), 'subscribe_app', 'resolve falls into none');
SELECT is(test.run('SELECT embark.cancel(4)'), 'subscribe_app', 'cancel falls into none');
SELECT isnt(test.run($$SELECT embark.pause('app', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '1 hour'::pg_catalog.interval)$$),
    NULL, 'pause falls into none');
SELECT is((SELECT count(*)::integer FROM embark.throttles), 1, 'what is paused stands in the true table');
SELECT is(test.run('SELECT embark.resume(''app'')'), 'true', 'resume falls into none');
SELECT is(test.run('SELECT p.sealed FROM embark.count_sealed(0, 10) AS p WHERE p.last_signup IS NOT NULL'), '3',
    'count_sealed falls into none');
SELECT is(test.run('SELECT embark.delete_old_attempts(1, 10)'), '0', 'delete_old_attempts falls into none');
SELECT is(
    ARRAY(SELECT action FROM embark.audit WHERE session_user_name = session_user AND action NOT IN ('configure', 'renew') ORDER BY id),
    ARRAY['mend', 'replay', 'skip', 'resolve', 'cancel', 'pause', 'resume'],
    'what operators did stands in the true audit');

SELECT is(
    ARRAY(SELECT external_id::text FROM embark.signups ORDER BY id), ARRAY['failed', 'by function', 'by inbox'],
    'the signups are in the true table');
SELECT is(
    ARRAY(SELECT plan[2] FROM embark.signups ORDER BY id), ARRAY['verify_grant', 'verify_grant', 'verify_grant'],
    'their plans are by the true installation');
SELECT is_empty(
    $$SELECT 1 FROM evil.signups UNION ALL SELECT 1 FROM evil.secrets UNION ALL SELECT 1 FROM evil.jobs
      UNION ALL SELECT 1 FROM evil.audit$$,
    'nothing is in the caller''s tables');
SELECT is_empty(
    $$SELECT 1 FROM pg_temp.signups UNION ALL SELECT 1 FROM pg_temp.secrets UNION ALL SELECT 1 FROM pg_temp.jobs
      UNION ALL SELECT 1 FROM pg_temp.audit$$,
    'nothing is in the caller''s temporary tables');

SELECT * FROM finish();
ROLLBACK;
