-- A failed signup goes on from where it failed or from an earlier step; what cannot work is refused in words.
BEGIN;
SET client_min_messages = warning;

SELECT plan(78);

CREATE SCHEMA test;
-- A signup that stands as a worker would have left it. Its plan has every step of a solution partner.
CREATE FUNCTION test.stand(name text, state text, step text DEFAULT NULL, error_code text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql AS
$$
DECLARE
    signup bigint := embark.enqueue_signup(
        code => 'old code', currency => 'USD', external_id => name, waba_id => '1', phone_number_id => '2', pin => '111111');
BEGIN
    UPDATE embark.signups AS s
       SET state = stand.state::embark.signup_state, failed_step = stand.step, error_code = stand.error_code,
           error_message = CASE WHEN stand.step IS NOT NULL THEN 'It failed.' END,
           waiting_on = CASE WHEN stand.step IS NOT NULL THEN 'operator'::embark.party END,
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
-- 'accepted', or SQLSTATE, origin and field; says so when the message lacks what it should say or shows a value.
CREATE FUNCTION test.refusal(statement text, says text DEFAULT '') RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text; message text; detail text; hint text; context text; state text; origin text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, origin = SCHEMA_NAME, field = COLUMN_NAME,
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN format('%s %s.%s', state, origin, field)
        || CASE WHEN message ~ ('^' || field || ' ') AND position(says IN message) > 0 THEN '' ELSE ', message: ' || message END
        || CASE WHEN concat(message, detail, hint) ~* 'canary' THEN ', shows a value' ELSE '' END;
END
$$;

-- From the step at which it failed.
CREATE TEMPORARY TABLE replayed AS SELECT test.stand('as it is', 'failed', 'register_phone', '133005') AS id;
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
SELECT id, 1, 'register_phone', 8, 'fail', now(), now() FROM replayed;
INSERT INTO embark.register_calls (phone_number_id, signup_id) SELECT '2', id FROM replayed;
CREATE TEMPORARY TABLE before AS SELECT s.* FROM embark.signups AS s JOIN replayed USING (id);
CREATE TEMPORARY TABLE secrets_before AS SELECT x.* FROM embark.secrets AS x JOIN replayed ON id = x.signup_id;
SELECT is(embark.replay(id, actor => 'ada', reason => 'the PIN was set'), 2, 'a replay returns the new generation') FROM replayed;
SELECT is(
    jsonb_build_array(s.state, s.generation, s.failed_step, s.waiting_on, s.error_code, s.error_message),
    '["running", 2, null, null, null, null]'::jsonb, 'and sets the signup running, without its error')
  FROM embark.signups AS s JOIN replayed USING (id);
SELECT is(
    to_jsonb(s) - '{state,generation,failed_step,waiting_on,error_code,error_message,updated_at}'::text[],
    to_jsonb(b) - '{state,generation,failed_step,waiting_on,error_code,error_message,updated_at}'::text[],
    'and changes nothing else of it')
  FROM embark.signups AS s JOIN before AS b USING (id);
SELECT is(to_jsonb(x), to_jsonb(b), 'nor of its secrets') FROM embark.secrets AS x JOIN secrets_before AS b USING (signup_id);
SELECT is(
    to_jsonb(j) - '{signup_id,due_at}'::text[],
    '{"step": "register_phone", "lane": 5, "attempt": 0, "give_up_at": null, "lease_id": null, "worker_id": null, "sent": false, "by_operator": true, "interrupted": 0}'::jsonb,
    'its job is the step at which it failed, in the lane without codes, with no attempt so far')
  FROM embark.jobs AS j JOIN replayed ON id = j.signup_id;
SELECT ok(j.due_at BETWEEN now() AND clock_timestamp(), 'and is due at once') FROM embark.jobs AS j JOIN replayed ON id = j.signup_id;
SELECT is((SELECT count(*)::integer FROM embark.attempts WHERE signup_id = id), 1, 'the history is kept') FROM replayed;
SELECT is((SELECT count(*)::integer FROM embark.register_calls WHERE signup_id = id), 1, 'and so is the quota') FROM replayed;
SELECT is(
    to_jsonb(a) - '{id,at}'::text[],
    jsonb_build_object(
        'actor', 'ada', 'session_user_name', session_user, 'action', 'replay', 'signup_id', replayed.id, 'scope', NULL,
        'reason', 'the PIN was set',
        'detail', '{"from_step": "register_phone", "failed_step": "register_phone", "error_code": "133005", "generation": 2,
                    "new_code": false, "new_pin": false}'::jsonb),
    'the audit says who replayed it from where and why')
  FROM embark.audit AS a JOIN replayed ON replayed.id = a.signup_id;

-- With another PIN, from an earlier step.
CREATE TEMPORARY TABLE mended AS SELECT test.stand('another PIN', 'failed', 'register_phone', '133005') AS id;
SELECT is(embark.replay(id, 'subscribe_app', new_pin => '000042'), 2, 'a replay may begin earlier and bring a PIN') FROM mended;
SELECT is(j.step, 'subscribe_app', 'then it begins there') FROM embark.jobs AS j JOIN mended ON id = j.signup_id;
SELECT is(
    to_jsonb(x) - '{signup_id,content_sha256,renewal_sha256,verify_token}'::text[],
    '{"code": null, "pin": "000042", "sealed_pin": null, "sealed_token": "sealed token"}'::jsonb,
    'a new PIN takes the place of the sealed one')
  FROM embark.secrets AS x JOIN mended ON id = x.signup_id;
SELECT is(a.actor || '|' || a.reason, session_user || '|', 'without an actor it is the session''s user, without a reason there is none')
  FROM embark.audit AS a JOIN mended ON mended.id = a.signup_id;
SELECT ok(a.detail::text !~ '000042', 'the audit does not hold the PIN') FROM embark.audit AS a JOIN mended ON mended.id = a.signup_id;

-- From the exchange, with a new code.
CREATE TEMPORARY TABLE recoded AS SELECT test.stand('a new code', 'failed', 'verify_grant', '190') AS id;
SELECT is(embark.replay(id, 'exchange_code', 'AQ-new'), 2, 'with a new code it may begin with the exchange') FROM recoded;
SELECT is(
    to_jsonb(j) - '{signup_id,due_at,give_up_at}'::text[],
    '{"step": "exchange_code", "lane": 0, "attempt": 0, "lease_id": null, "worker_id": null, "sent": false, "by_operator": true, "interrupted": 0}'::jsonb,
    'then its job is the exchange, in the lane of the codes')
  FROM embark.jobs AS j JOIN recoded ON id = j.signup_id;
SELECT is(j.give_up_at, now() + interval '30 s', 'for 30 s') FROM embark.jobs AS j JOIN recoded ON id = j.signup_id;
SELECT is(s.code_issued_at, now(), 'the code''s life is counted from the replay') FROM embark.signups AS s JOIN recoded USING (id);
SELECT is(x.code || ' ' || x.sealed_pin, 'AQ-new sealed pin', 'the code is kept for the worker, and the sealed PIN stays')
  FROM embark.secrets AS x JOIN recoded ON id = x.signup_id;
SELECT ok(a.detail ->> 'new_code' = 'true' AND a.detail::text !~ 'AQ-new', 'the audit says that there was one, and not which')
  FROM embark.audit AS a JOIN recoded ON recoded.id = a.signup_id;

-- Again and again.
UPDATE embark.signups SET state = 'failed', failed_step = 'register_phone' WHERE external_id = 'as it is';
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM replayed);
SELECT is(embark.replay(id), 3, 'a signup that failed again is replayed again') FROM replayed;

-- While somebody sleeps.
INSERT INTO embark.workers (host, pid, version, sleeping) VALUES ('h', 1, '1', true);
SELECT is(test.refusal(format('SELECT embark.replay(%s)', test.stand('with a sleeper', 'failed', 'register_phone', '2'))), 'accepted',
    'a replay notifies while a worker sleeps');

-- What cannot be replayed.
CREATE TABLE test.calls (place integer GENERATED ALWAYS AS IDENTITY, what text, statement text, says text, expected text);
INSERT INTO test.calls (what, statement, says, expected) VALUES
    ('no id', 'SELECT embark.replay(NULL)', '', '22023 embark.signup_id'),
    ('an id that is nobody''s', 'SELECT embark.replay(999999)', '', 'P0002 embark.signup_id'),
    ('the id 0', 'SELECT embark.replay(0)', '', 'P0002 embark.signup_id');
INSERT INTO test.calls (what, statement, says, expected)
SELECT 'a signup that is ' || v.state, format('SELECT embark.replay(%s)', test.stand('stuck ' || v.state, v.state)),
       v.says, '55000 embark.signup_id'
  FROM (VALUES ('running', 'wait until it ends'), ('completed', 'completed'), ('cancelled', 'cancelled')) AS v (state, says);
INSERT INTO test.calls (what, statement, says, expected)
SELECT v.what, format(v.statement, id), v.says, v.expected
  FROM (SELECT test.stand('failed', 'failed', 'share_credit_line', '3') AS id) AS s
 CROSS JOIN (VALUES
    ('a step that does not exist', 'SELECT embark.replay(%s, ''canary'')', 'plan: exchange_code, ', '22023 embark.from_step'),
    ('an empty step', 'SELECT embark.replay(%s, '''')', 'plan: ', '22023 embark.from_step'),
    ('a step that the plan leaves out', 'SELECT embark.replay(%s, ''sync_contacts'')', 'plan: ', '22023 embark.from_step'),
    ('a step later than the failed one', 'SELECT embark.replay(%s, ''register_phone'')', 'share_credit_line', '22023 embark.from_step'),
    ('the exchange without a code', 'SELECT embark.replay(%s, ''exchange_code'')', 'popup', '55000 embark.new_code'),
    ('a code without the exchange', 'SELECT embark.replay(%s, new_code => ''CANARY'')', 'exchange_code', '22023 embark.new_code'),
    ('an empty code', 'SELECT embark.replay(%s, ''exchange_code'', '''')', '', '22023 embark.new_code'),
    ('a code of two lines', 'SELECT embark.replay(%s, ''exchange_code'', E''CANARY\nx'')', '', '22023 embark.new_code'),
    ('a code of 2,049 characters', 'SELECT embark.replay(%s, ''exchange_code'', repeat(''k'', 2049))', '', '22023 embark.new_code'),
    ('an accented code', 'SELECT embark.replay(%s, ''exchange_code'', ''CANARYé'')', '', '22023 embark.new_code'),
    ('an empty PIN', 'SELECT embark.replay(%s, new_pin => '''')', '', '22023 embark.new_pin'),
    ('a PIN of five digits', 'SELECT embark.replay(%s, new_pin => ''12345'')', 'six', '22023 embark.new_pin'),
    ('a PIN of letters', 'SELECT embark.replay(%s, new_pin => ''CANARY'')', 'six', '22023 embark.new_pin'),
    ('a PIN with a newline', 'SELECT embark.replay(%s, new_pin => E''123456\n'')', 'six', '22023 embark.new_pin'),
    ('a PIN of Arabic-Indic digits', 'SELECT embark.replay(%s, new_pin => ''٤٨١٥١٦'')', 'six', '22023 embark.new_pin'),
    ('an empty actor', 'SELECT embark.replay(%s, actor => '''')', '', '22023 embark.actor'),
    ('an actor of two lines', 'SELECT embark.replay(%s, actor => E''a\nCANARY'')', '', '22023 embark.actor'),
    ('an actor of 256 characters', 'SELECT embark.replay(%s, actor => repeat(''a'', 256))', '', '22023 embark.actor'),
    ('a reason of 2,001 characters', 'SELECT embark.replay(%s, reason => repeat(''a'', 2001))', '', '22023 embark.reason'))
       AS v (what, statement, says, expected);
INSERT INTO test.calls (what, statement, says, expected)
SELECT v.what, format(v.statement, test.stand(v.what, 'failed', v.step, v.error_code)), v.says, v.expected
  FROM (VALUES
    ('a spent code, without a new one', 'exchange_code', 'code_spent', 'SELECT embark.replay(%s)', 'popup', '55000 embark.new_code'),
    ('an effect that nothing can tell', 'share_credit_line', 'effect_uncertain', 'SELECT embark.replay(%s)', 'resolve', '55000 embark.signup_id'),
    ('the same, from an earlier step', 'share_credit_line', 'effect_uncertain', 'SELECT embark.replay(%s, ''subscribe_app'')', 'resolve',
     '55000 embark.signup_id'))
       AS v (what, step, error_code, statement, says, expected);
CREATE TEMPORARY TABLE unmoved AS
SELECT s.id, s::text AS signup, x::text AS secrets, (SELECT count(*) FROM embark.audit) AS audits, (SELECT count(*) FROM embark.jobs) AS jobs
  FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id;
SELECT is(test.refusal(statement, says), expected, 'a replay is refused for ' || what) FROM test.calls ORDER BY place;
SELECT is_empty(
    'SELECT FROM unmoved AS u JOIN embark.signups AS s USING (id) JOIN embark.secrets AS x ON x.signup_id = s.id
      WHERE s::text <> u.signup OR x::text <> u.secrets
         OR u.audits <> (SELECT count(*) FROM embark.audit) OR u.jobs <> (SELECT count(*) FROM embark.jobs)',
    'a refused replay changes nothing');

-- What is unusual and accepted.
SELECT is(
    test.refusal(format('SELECT embark.replay(%s, actor => NULL, reason => NULL)', test.stand('nobody says why', 'failed', 'register_phone', '2'))),
    'accepted', 'an actor and a reason that are NULL are as absent ones');
SELECT is(
    test.refusal(format('SELECT embark.replay(%s, ''exchange_code'', repeat(''k'', 2048))', test.stand('bounds', 'failed', 'register_phone', '2'))),
    'accepted', 'a code of 2,048 characters is accepted');
SELECT is(
    test.refusal(format('SELECT embark.replay(%s, reason => repeat(''é'', 2000), actor => repeat(''é'', 255))',
                        test.stand('more bounds', 'failed', 'register_phone', '2'))),
    'accepted', 'a reason of 2,000 characters and an actor of 255 are accepted');
-- Who may: 70_privileges.sql. That it does not look where its caller says: 71_hijacking.sql.

-- The number's register calls: four of Embark's own, up to nine with operators' replays, the tenth never.
CREATE TEMPORARY TABLE counted AS
SELECT test.stand('counted', 'failed', 'register_phone', '131000') AS id, test.stand('before it', 'failed', 'subscribe_app', '2') AS earlier,
       test.stand('behind it', 'failed', 'register_phone', '2') AS behind;
UPDATE embark.signups SET phone_number_id = '77' WHERE id IN (SELECT unnest(ARRAY[id, earlier, behind]) FROM counted);
UPDATE embark.signups SET plan = plan || 'send_test_message'::text, failed_step = 'send_test_message' WHERE id = (SELECT behind FROM counted);
-- The newest ones first in the table, one that is too old to count, and one of another number.
INSERT INTO embark.register_calls (phone_number_id, signup_id, automatic, called_at)
SELECT '77', id, n > 5, now() - n * interval '1 h' FROM counted, generate_series(1, 8) AS n;
INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at)
SELECT v.phone, id, now() - v.age FROM counted, (VALUES ('77', interval '73 h'), ('78', interval '1 h')) AS v (phone, age);
SELECT is(embark.replay_refusal(id), NULL, 'with eight calls in 72 hours there is one left for a replay') FROM counted;
INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at) SELECT '77', id, now() - interval '71 h 30 min' FROM counted;
SELECT is(
    test.refusal(format('SELECT embark.replay(%s)', id),
        to_char(date_trunc('minute', now() + interval '31 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC, or skip'),
    '55000 embark.signup_id', 'with nine it is refused, with the time from which there is one again') FROM counted;
SELECT is(embark.replay_refusal(earlier), NULL, 'not from an earlier step, from which there is something to do meanwhile') FROM counted;
SELECT is(embark.replay_refusal(id, 'subscribe_app'), NULL, 'nor where it failed there and begins earlier') FROM counted;
SELECT is(embark.replay_refusal(behind), NULL, 'not from a step behind it') FROM counted;
SELECT ok(embark.replay_refusal(behind, 'register_phone') ~ '^55000 signup_id .* UTC, or from send_test_message, at which it failed$',
    'but from it again, and then there is nothing to skip') FROM counted;
SELECT is(embark.replay_refusal(id, phone_number_id => '78'), NULL, 'nor with another number, which is about to be mended') FROM counted;
INSERT INTO embark.register_calls (phone_number_id, signup_id, called_at) SELECT '77', id, now() - interval '2 h' FROM counted;
SELECT is(
    test.refusal(format('SELECT embark.replay(%s)', id),
        to_char(date_trunc('minute', now() + interval '64 h 1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC, or skip'),
    '55000 embark.signup_id', 'with ten, two of them have to grow old first') FROM counted;
DELETE FROM embark.register_calls WHERE phone_number_id = '77' AND called_at > now() - interval '150 min';
SELECT is(test.refusal(format('SELECT embark.replay(%s)', id)), 'accepted', 'and when they are, it is accepted') FROM counted;
SELECT is((SELECT count(*)::integer FROM embark.register_calls WHERE phone_number_id = '77'), 8, 'a replay itself is no call') FROM counted;

-- Whoever replays says what they have seen.
CREATE TEMPORARY TABLE seen AS SELECT test.stand('seen', 'failed', 'subscribe_app', '2') AS id;
SELECT is(test.refusal(format('SELECT embark.replay(%s, expected_generation => 2)', id), 'at generation 1'), '55000 embark.signup_id',
    'another generation than the one that was seen is not replayed') FROM seen;
SELECT is(embark.replay(id, expected_generation => 1), 2, 'the one that was seen is') FROM seen;
UPDATE embark.signups SET state = 'failed', failed_step = 'subscribe_app', error_code = '2' WHERE id = (SELECT id FROM seen);
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM seen);
SELECT is(test.refusal(format('SELECT embark.replay(%s, expected_generation => 1)', id), 'replayed meanwhile: it is failed, at generation 2'),
    '55000 embark.signup_id', 'of two who saw the same failure the second one is told, even when it has failed again') FROM seen;
SELECT is(embark.replay(id), 3, 'who expects nothing replays what there is') FROM seen;

-- A preview says what the replay says, and touches nothing.
CREATE TEMPORARY TABLE previewed AS SELECT test.stand('previewed', 'failed', 'exchange_code', 'code_spent') AS id;
SELECT is(embark.replay_refusal(id) ~ '^55000 new_code is required', true, 'a dead code needs a new one') FROM previewed;
SELECT is(embark.replay_refusal(id, has_code => true), NULL, 'and with one there is nothing against it') FROM previewed;
UPDATE embark.signups SET business_id = '9' WHERE id = (SELECT id FROM previewed);
SELECT is(embark.replay_refusal(id), NULL, 'nor where the token can be recovered without it') FROM previewed;
SELECT is((SELECT state::text || generation FROM embark.signups JOIN previewed USING (id)), 'failed1', 'and nothing was changed');
CREATE TEMPORARY TABLE configured AS SELECT i.* FROM embark.installation AS i;
UPDATE embark.installation SET partner_mode = 'tech-provider';
SELECT ok(embark.replay_refusal(id) ~ '^55000 new_code .* only a solution partner''s .* popup again$',
    'a tech provider has no user who could recover it') FROM previewed;
SELECT is(embark.replay_refusal(id, has_code => true), NULL, 'and takes a new code as anybody') FROM previewed;
DELETE FROM embark.installation;
SELECT ok(embark.replay_refusal(id) ~ '^55000 new_code ', 'nor has one that nobody has configured') FROM previewed;
INSERT INTO embark.installation SELECT c.* FROM configured AS c;

-- Its hint is of use to an operator.
CREATE FUNCTION test.hint() RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    hint text;
BEGIN
    PERFORM embark.replay(0);
EXCEPTION WHEN no_data_found THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN hint;
END
$$;
SELECT is(test.hint(), 'Look for it with "embark signup list".', 'who names a signup that is not there is told where to look');

-- Rolled back.
CREATE TEMPORARY TABLE undone AS SELECT test.stand('rolled back', 'failed', 'register_phone', '2') AS id;
SELECT throws_ok(
    $test$DO $$BEGIN PERFORM embark.replay((SELECT id FROM undone)); RAISE SQLSTATE 'ZZ000'; END$$$test$, 'ZZ000', NULL,
    'a replay may be rolled back by its caller');
SELECT is(
    s.state::text || s.generation || (SELECT count(*) FROM embark.jobs WHERE signup_id = s.id), 'failed10',
    'a replay that was rolled back never was')
  FROM embark.signups AS s JOIN undone USING (id);

SELECT * FROM finish();
ROLLBACK;
