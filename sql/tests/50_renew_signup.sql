-- The customer went through the popup again: a failed signup that waits on the customer goes on with the new code, once.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

SELECT plan(61);

-- A signup that stands as a worker would have left it.
CREATE FUNCTION test.stand(name text, state text, waiting_on text) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    signup bigint := test.enqueue('the function', test.signup() || jsonb_build_object('external_id', name));
BEGIN
    UPDATE embark.signups AS s
       SET state = stand.state::embark.signup_state, waiting_on = stand.waiting_on::embark.party,
           failed_step = CASE WHEN stand.state = 'failed' THEN 'register_phone' END,
           error_code = CASE WHEN stand.state = 'failed' THEN 'code_expired' END,
           error_message = CASE WHEN stand.state = 'failed' THEN 'The code died.' END,
           code_issued_at = now() - interval '1 day'
     WHERE s.id = signup;
    UPDATE embark.secrets SET code = NULL, pin = NULL, sealed_pin = 'sealed pin', sealed_token = 'sealed token'
     WHERE signup_id = signup;
    IF stand.state <> 'running' THEN
        DELETE FROM embark.jobs WHERE signup_id = signup;
    END IF;
    RETURN signup;
END
$$;
CREATE FUNCTION test.secrets(signup bigint) RETURNS jsonb LANGUAGE sql AS
$$ SELECT to_jsonb(x) - '{signup_id,content_sha256,renewal_sha256,verify_token}'::text[] FROM embark.secrets AS x WHERE signup_id = signup $$;
-- As test.refusal, for a renewal.
CREATE FUNCTION test.renewal(external_id text, code text, pin text, value text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text; message text; detail text; hint text; context text; state text; origin text;
BEGIN
    PERFORM embark.renew_signup(external_id, code, pin);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, origin = SCHEMA_NAME, field = COLUMN_NAME,
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN format('%s %s.%s', state, origin, field)
        || CASE WHEN message ~ ('^' || field || ' ') AND field <> '' THEN '' ELSE ', message: ' || message END
        || CASE WHEN concat(message, detail, hint, context) ~* 'canary'
                  OR length(value) >= 3 AND position(left(value, 16) IN concat(message, detail, hint, context)) > 0
                THEN ', shows a value' ELSE '' END;
END
$$;

-- Without a PIN, and with one.
CREATE TEMPORARY TABLE renewed AS
SELECT v.name, v.pin, test.stand(v.name, 'failed', 'customer') AS id
  FROM (VALUES ('without a PIN', NULL), ('with a PIN', '000042')) AS v (name, pin);
CREATE TEMPORARY TABLE before AS SELECT s.* FROM embark.signups AS s JOIN renewed USING (id);
SELECT is(embark.renew_signup(name, 'AQ-new', pin), id, 'a renewal ' || name || ' returns the id of the signup')
  FROM renewed ORDER BY id;
SELECT is(
    jsonb_build_array(s.state, s.generation, s.failed_step, s.waiting_on, s.error_code, s.error_message),
    '["running", 2, null, null, null, null]'::jsonb,
    'a renewal ' || name || ' sets the signup running, in its second generation, without its error')
  FROM renewed JOIN embark.signups AS s USING (id) ORDER BY id;
SELECT is(s.code_issued_at, now(), 'a renewal ' || name || ' counts the code''s life from its transaction')
  FROM renewed JOIN embark.signups AS s USING (id) ORDER BY id;
SELECT is(
    to_jsonb(s) - '{state,generation,failed_step,waiting_on,error_code,error_message,code_issued_at,updated_at}'::text[],
    to_jsonb(b) - '{state,generation,failed_step,waiting_on,error_code,error_message,code_issued_at,updated_at}'::text[],
    'a renewal ' || name || ' changes nothing else of the signup, and the plan least of all')
  FROM renewed JOIN embark.signups AS s USING (id) JOIN before AS b USING (id) ORDER BY id;
SELECT is(
    test.secrets(id),
    CASE name
        WHEN 'without a PIN' THEN
            '{"code": "AQ-new", "pin": null, "sealed_pin": "sealed pin", "sealed_token": "sealed token"}'::jsonb
        ELSE '{"code": "AQ-new", "pin": "000042", "sealed_pin": null, "sealed_token": "sealed token"}' END,
    'a renewal ' || name || ' keeps the sealed token, and the sealed PIN unless another comes')
  FROM renewed ORDER BY id;
SELECT is(
    to_jsonb(j) - '{signup_id,due_at,give_up_at}'::text[],
    '{"step": "exchange_code", "lane": 0, "attempt": 0, "lease_id": null, "worker_id": null, "sent": false, "by_operator": false, "interrupted": 0}'::jsonb,
    'a renewal ' || name || ' makes the exchange of the code the signup''s job')
  FROM renewed JOIN embark.jobs AS j ON j.signup_id = id ORDER BY id;
SELECT ok(
    j.due_at BETWEEN now() AND clock_timestamp() AND j.give_up_at = now() + interval '30 s',
    'a renewal ' || name || ' makes the job due at once, for 30 s')
  FROM renewed JOIN embark.jobs AS j ON j.signup_id = id ORDER BY id;
SELECT is(
    to_jsonb(a) - '{id,at,reason}'::text[],
    jsonb_build_object('actor', session_user, 'session_user_name', session_user, 'action', 'renew', 'signup_id', renewed.id,
                       'scope', NULL, 'detail', '{}'::jsonb),
    'a renewal ' || name || ' leaves a row in the audit')
  FROM renewed JOIN embark.audit AS a ON a.signup_id = renewed.id ORDER BY renewed.id;

-- Twice.
SELECT is(embark.renew_signup(name, 'AQ-new', pin), id, 'the same renewal ' || name || ' sent twice returns the same id')
  FROM renewed ORDER BY id;
SELECT is(s.generation, 2, 'the same renewal ' || name || ' sent twice is one generation')
  FROM renewed JOIN embark.signups AS s USING (id) ORDER BY id;
SELECT is((SELECT count(*)::integer FROM embark.audit AS a WHERE a.signup_id = renewed.id), 1,
    'the same renewal ' || name || ' sent twice is audited once')
  FROM renewed ORDER BY id;
SELECT is(test.renewal('with a PIN', 'AQ-new', NULL), '55000 embark.external_id',
    'the same code without the PIN is another renewal, and the signup runs by now');
SELECT is(test.renewal('without a PIN', 'AQ-newer', NULL), '55000 embark.external_id',
    'a newer code for a signup that runs is refused');
-- It may even have ended since.
UPDATE embark.signups SET state = 'completed' WHERE external_id = 'with a PIN';
SELECT is(test.renewal('with a PIN', 'AQ-new', '000042'), 'accepted', 'the same renewal is found after the signup has completed');
SELECT is((SELECT state::text FROM embark.signups WHERE external_id = 'with a PIN'), 'completed', 'and leaves it completed');

-- A second time, with a code of its own.
UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer', error_code = 'code_spent'
 WHERE external_id = 'without a PIN';
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM renewed WHERE name = 'without a PIN');
SELECT is(test.renewal('without a PIN', 'AQ-newer', NULL), 'accepted', 'a signup that failed again is renewed again');
SELECT is((SELECT generation FROM embark.signups WHERE external_id = 'without a PIN'), 3, 'and is in its third generation');

-- A PIN that no worker has sealed yet, because the code died before one touched the signup.
SELECT test.stand('unsealed', 'failed', 'customer');
UPDATE embark.secrets SET pin = '918273', sealed_pin = NULL
 WHERE signup_id = (SELECT id FROM embark.signups WHERE external_id = 'unsealed');
SELECT embark.renew_signup('unsealed', 'AQ-new');
SELECT is(
    (SELECT pin FROM embark.secrets WHERE signup_id = (SELECT id FROM embark.signups WHERE external_id = 'unsealed')), '918273',
    'a renewal without a PIN keeps the customer''s that is not sealed yet');

-- Rolled back.
SELECT test.stand('rolled back', 'failed', 'customer');
SELECT throws_ok(
    $test$DO $$BEGIN PERFORM embark.renew_signup('rolled back', 'AQ-new'); RAISE SQLSTATE 'ZZ000'; END$$$test$, 'ZZ000', NULL,
    'a renewal may be rolled back by its caller');
SELECT is(
    (SELECT state::text || generation || (SELECT count(*) FROM embark.jobs WHERE signup_id = s.id)
       FROM embark.signups AS s WHERE external_id = 'rolled back'),
    'failed10', 'a renewal that was rolled back never was');

-- Who cannot be renewed.
CREATE TABLE test.standing (place integer GENERATED ALWAYS AS IDENTITY, state text, waiting_on text);
INSERT INTO test.standing (state, waiting_on) VALUES
    ('running', NULL), ('completed', NULL), ('cancelled', NULL), ('failed', 'operator'), ('failed', NULL);
CREATE TEMPORARY TABLE stuck AS
SELECT t.*, test.stand(concat_ws(' ', 'stuck', t.state, t.waiting_on), t.state, t.waiting_on) AS id FROM test.standing AS t;
CREATE TEMPORARY TABLE unmoved AS SELECT s.id, s::text AS was, test.secrets(s.id) FROM embark.signups AS s JOIN stuck USING (id);
SELECT is(
    test.renewal(concat_ws(' ', 'stuck', state, waiting_on), 'CANARY', '551122', '551122'), '55000 embark.external_id',
    format('a signup that is %s and waits on %s cannot be renewed', state, coalesce('the ' || waiting_on, 'nobody')))
  FROM stuck ORDER BY place;
SELECT is_empty(
    'SELECT FROM unmoved AS u JOIN embark.signups AS s USING (id)
      WHERE s::text <> u.was OR test.secrets(s.id) <> u.secrets',
    'a refused renewal changes neither the signup nor its secrets');

-- What is wrong with the call itself.
SELECT test.stand('waiting', 'failed', 'customer');
CREATE TABLE test.calls (
    place integer GENERATED ALWAYS AS IDENTITY, what text, external_id text, code text, pin text, value text, expected text);
INSERT INTO test.calls (what, external_id, code, pin, value, expected) VALUES
    ('an unknown external id', 'CANARY', 'c', NULL, NULL, 'P0002 embark.external_id'),
    ('an external id in another case', 'WAITING', 'c', NULL, 'WAITING', 'P0002 embark.external_id'),
    ('no external id', NULL, 'c', NULL, NULL, '22023 embark.external_id'),
    ('an empty external id', '', 'c', NULL, NULL, '22023 embark.external_id'),
    ('an external id of 256 characters', repeat('x', 256), 'c', NULL, repeat('x', 256), '22023 embark.external_id'),
    ('an external id with a newline', E'CANARY\n', 'c', NULL, NULL, '22023 embark.external_id'),
    ('an external id of 1 MiB', repeat('x', 1048576), 'c', NULL, repeat('x', 16), '22023 embark.external_id');
INSERT INTO test.calls (what, external_id, code, pin, value, expected)
SELECT 'a code that is ' || v.what, 'waiting', v.code, NULL, v.code, '22023 embark.code'
  FROM (VALUES ('NULL', NULL), ('empty', ''), ('2,049 characters long', repeat('k', 2049)), ('1 MiB long', repeat('k', 1048576)),
               ('followed by a newline', E'CANARY\n'), ('accented', 'CANARYé'), ('cut by a tab', E'CAN\tARY')) AS v (what, code);
INSERT INTO test.calls (what, external_id, code, pin, value, expected)
SELECT 'a PIN that ' || v.what, 'waiting', 'CANARY', v.pin, v.pin, '22023 embark.pin'
  FROM (VALUES ('is empty', ''), ('has five digits', '48151'), ('has seven digits', '4815162'), ('has a newline', E'481516\n'),
               ('has a letter', '48151a'), ('has Arabic-Indic digits', '٤٨١٥١٦'), ('has full-width digits', '４８１５１６'))
       AS v (what, pin);
SELECT is(test.renewal(external_id, code, pin, value), expected, 'a renewal is refused for ' || what)
  FROM test.calls ORDER BY place;
SELECT is(test.renewal('waiting', 'A', '000000'), 'accepted', 'a code of one character and a PIN of zeros are accepted');
SELECT test.stand('waiting longer', 'failed', 'customer');
SELECT is(test.renewal('waiting longer', repeat('k', 2048), NULL), 'accepted', 'a code of 2,048 characters is accepted');
-- What the signup was enqueued with, and what the installation asks for, is no matter of the renewal's.
SELECT test.stand('without an installation', 'failed', 'customer');
SELECT test.install('none');
SELECT is(test.renewal('without an installation', 'c', NULL), 'accepted', 'a renewal does not depend on the installation');

SELECT * FROM finish();
ROLLBACK;
