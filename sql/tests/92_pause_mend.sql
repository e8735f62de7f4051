-- Operators let a scope rest, end a pause, and mend a failed signup's number or currency.
BEGIN;
SET client_min_messages = warning;

SELECT plan(40);

CREATE SCHEMA test;
CREATE FUNCTION test.stand(name text, step text, waba text, phone text, state text DEFAULT 'failed') RETURNS bigint
LANGUAGE plpgsql AS
$$
DECLARE
    signup bigint := embark.enqueue_signup(code => 'c', currency => 'USD', external_id => name, waba_id => waba,
                                           phone_number_id => phone, test_recipient => '+16505551234');
BEGIN
    IF state = 'failed' THEN
        DELETE FROM embark.jobs WHERE signup_id = signup;
        UPDATE embark.signups AS s
           SET state = 'failed', failed_step = step, error_code = '100', waiting_on = 'operator'
         WHERE s.id = signup;
    ELSE
        UPDATE embark.jobs AS j SET step = stand.step, lane = 5, due_at = now() + interval '1 hour' WHERE j.signup_id = signup;
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
        VALUES (signup, 1, stand.step, 1, 'throttle', now(), now());
    END IF;
    RETURN signup;
END
$$;
CREATE FUNCTION test.refusal(statement text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text;
    state text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, field = COLUMN_NAME;
    RETURN state || ' ' || field;
END
$$;

-- Pausing.
SELECT is(test.refusal(format('SELECT embark.pause(%L, now() + interval ''1 h'')', scope)), '22023 scope', 'no scope: ' || coalesce(scope, 'NULL'))
  FROM unnest(ARRAY[NULL, '', 'apps', 'APP', 'waba', 'waba:', 'waba:x', 'phone:1 ', 'waba:' || repeat('1', 33)]) AS scope;
SELECT is(test.refusal(format('SELECT embark.pause(''app'', %L)', until)), '22023 until', 'no time: ' || coalesce(until::text, 'NULL'))
  FROM unnest(ARRAY[NULL, now() - interval '1 s', now() + interval '2 years', 'infinity'::timestamptz]) AS until;
SELECT is(test.refusal($$SELECT embark.pause('app', now() + interval '1 h', '', 'why')$$), '22023 actor', 'an actor has a name');
SELECT is((SELECT count(*) FROM embark.throttles) + (SELECT count(*) FROM embark.audit WHERE action = 'pause'), 0::bigint, 'a refusal leaves nothing');
SELECT is(embark.pause('waba:1', now() + interval '1 hour', 'ada', 'they asked'), now() + interval '1 hour', 'a pause ends when it was told');
SELECT is(jsonb_build_array(t.until = now() + interval '1 hour', t.reason, t.credentials), '[true, "paused by ada: they asked", false]'::jsonb,
    'it is kept with who and why') FROM embark.throttles AS t WHERE t.scope = 'waba:1';
SELECT is(embark.pause('waba:1', now() + interval '1 minute', 'eve', 'shorter'), now() + interval '1 hour', 'a longer one stays');
SELECT is(t.reason, 'paused by ada: they asked', 'with its reason') FROM embark.throttles AS t WHERE t.scope = 'waba:1';
SELECT is(embark.pause('waba:1', now() + interval '2 hours', 'eve', 'longer'), now() + interval '2 hours', 'and is made longer');
SELECT is(array_agg(a.actor || ' ' || a.action || ' ' || a.scope || ' ' || a.reason ORDER BY a.id),
    ARRAY['ada pause waba:1 they asked', 'eve pause waba:1 shorter', 'eve pause waba:1 longer'], 'each is in the audit') FROM embark.audit AS a WHERE a.action = 'pause';

-- Resuming brings back what was put off because of the scope, and nothing else.
CREATE TEMPORARY TABLE held AS
SELECT name, test.stand(name, step, waba, phone, 'running') AS id
  FROM (VALUES ('subscribe 1', 'subscribe_app', '1', '10'), ('share 1', 'share_credit_line', '1', '11'),
               ('register 2', 'register_phone', '2', '20'), ('share 2', 'share_credit_line', '2', '21'),
               ('backing off 1', 'subscribe_app', '1', '12'))
       AS t (name, step, waba, phone);
-- One that was put off by a fault of its own waits for as long as that says.
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
SELECT h.id, 1, 'subscribe_app', 2, 'retry', now(), now() + interval '1 s' FROM held AS h WHERE h.name = 'backing off 1';
CREATE FUNCTION test.resumed(scope text) RETURNS text[] LANGUAGE sql AS
$$
UPDATE embark.jobs SET due_at = now() + interval '1 hour';
SELECT embark.resume(scope, 'ada', 'over');
SELECT coalesce(array_agg(held.name ORDER BY held.name), '{}')
  FROM held JOIN embark.jobs AS j ON j.signup_id = held.id WHERE j.due_at <= clock_timestamp()
$$;
SELECT is(embark.resume('waba:1', 'ada', 'over'), true, 'there was a pause');
SELECT is(embark.resume('waba:1', 'ada', 'over'), false, 'and then there is none');
SELECT is((SELECT t.until <= clock_timestamp() FROM embark.throttles AS t WHERE t.scope = 'waba:1'), true, 'it has ended');
SELECT is(test.resumed('waba:1'), '{share 1,subscribe 1}'::text[], 'an account''s jobs are due');
SELECT is(test.resumed('phone:20'), '{register 2}'::text[], 'a number''s');
SELECT is(test.resumed('credit'), '{share 1,share 2}'::text[], 'those of the credit line');
SELECT is(test.resumed('system'), '{share 1,share 2}'::text[], 'those of the system user');
SELECT is(test.resumed('app'), '{register 2,share 1,share 2,subscribe 1}'::text[], 'all');
SELECT is(test.refusal('SELECT embark.resume(''nothing'')'), '22023 scope', 'no scope to resume');

-- Mending.
CREATE TEMPORARY TABLE bad AS SELECT test.stand('bad', 'verify_grant', '3', '30') AS id, test.stand('late', 'send_test_message', '4', '40') AS late;
SELECT lives_ok(format('SELECT embark.mend(%s, ''31'', ''EUR'', ''ada'', ''typo'')', id), 'a number and a currency are mended') FROM bad;
SELECT is(jsonb_build_array(s.phone_number_id, s.currency, s.state, s.generation), '["31", "EUR", "failed", 1]'::jsonb,
    'and nothing else is changed') FROM embark.signups AS s JOIN bad USING (id);
SELECT is(a.detail, '{"phone_number_id": "31", "currency": "EUR", "phone_number_id_before": "30", "currency_before": "USD"}'::jsonb,
    'the audit has before and after') FROM embark.audit AS a WHERE a.action = 'mend';
SELECT is(test.refusal(format('SELECT embark.mend(%s)', id)), '22023 phone_number_id', 'there must be something to mend') FROM bad;
SELECT is(test.refusal(format('SELECT embark.mend(%s, ''3x'')', id)), '22023 phone_number_id', 'a number is digits') FROM bad;
SELECT is(test.refusal(format('SELECT embark.mend(%s, NULL, ''XXX'')', id)), '22023 currency', 'a currency is one of the installation''s') FROM bad;
SELECT is(test.refusal(format('SELECT embark.mend(%s, NULL, ''EUR'')', late)), '55000 currency', 'a line that is shared keeps its currency') FROM bad;
SELECT is(test.refusal(format('SELECT embark.mend(%s, ''41'')', late)), '55000 phone_number_id', 'a registered number stays') FROM bad;
SELECT is(test.refusal('SELECT embark.mend(0, ''1'')'), 'P0002 signup_id', 'a signup that does not exist');
SELECT is(test.refusal(format('SELECT embark.mend(%s, ''1'')', id)), '55000 signup_id', 'one that runs') FROM held LIMIT 1;

SELECT * FROM finish();
ROLLBACK;
