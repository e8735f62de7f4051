-- Operators leave a step out, and give signups up; what makes no sense is refused in words.
BEGIN;
SET client_min_messages = warning;

SELECT plan(52);

CREATE SCHEMA test;
-- A signup as a worker would have left it, of a solution partner, with a test message.
CREATE FUNCTION test.stand(name text, state text, step text DEFAULT NULL, error_code text DEFAULT '100') RETURNS bigint
LANGUAGE plpgsql AS
$$
DECLARE
    signup bigint := embark.enqueue_signup(
        code => 'a code', currency => 'USD', external_id => name, waba_id => '1', phone_number_id => '2', pin => '111111',
        test_recipient => '+16505551234',
        webhook_override => '{"override_callback_uri": "https://example.com/", "verify_token": "a token"}');
BEGIN
    IF stand.state = 'running' THEN
        UPDATE embark.jobs AS j SET step = coalesce(stand.step, j.step), lease_id = 7, worker_id = 8 WHERE j.signup_id = signup;
    ELSE
        DELETE FROM embark.jobs WHERE signup_id = signup;
        UPDATE embark.signups AS s
           SET state = stand.state::embark.signup_state, failed_step = stand.step,
               error_code = CASE WHEN stand.step IS NOT NULL THEN stand.error_code END,
               error_message = CASE WHEN stand.step IS NOT NULL THEN 'It failed.' END,
               waiting_on = CASE WHEN stand.step IS NOT NULL THEN 'operator'::embark.party END
         WHERE s.id = signup;
    END IF;
    UPDATE embark.secrets SET sealed_token = 'sealed token', sealed_pin = 'sealed pin' WHERE signup_id = signup;
    RETURN signup;
END
$$;
-- 'accepted', or SQLSTATE, origin and field; says so when the message lacks what it should say.
CREATE FUNCTION test.refusal(statement text, says text DEFAULT '') RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text; message text; state text; origin text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, origin = SCHEMA_NAME, field = COLUMN_NAME, message = MESSAGE_TEXT;
    RETURN format('%s %s.%s', state, origin, field)
        || CASE WHEN message ~ ('^' || field || ' ') AND position(says IN message) > 0 THEN '' ELSE ', message: ' || message END;
END
$$;
CREATE FUNCTION test.audit(signup bigint) RETURNS jsonb LANGUAGE sql AS
$$ SELECT to_jsonb(a) - '{id,at,session_user_name,scope,signup_id}'::text[] FROM embark.audit AS a WHERE a.signup_id = signup ORDER BY a.id DESC LIMIT 1 $$;

-- Skipping.
CREATE TEMPORARY TABLE skipped AS SELECT test.stand('skipped', 'failed', 'share_credit_line', 'funded_elsewhere') AS id;
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
SELECT id, 1, 'share_credit_line', 3, 'fail', now(), now() FROM skipped;
SELECT is(embark.skip(id, 'ada', 'they pay by card'), 'register_phone', 'a step that is skipped: the signup goes on behind it') FROM skipped;
SELECT is(jsonb_build_array(s.state, s.generation, s.failed_step, s.waiting_on, s.error_code, s.error_message),
    '["running", 2, null, null, null, null]'::jsonb, 'it runs, as a new generation, without its error')
  FROM embark.signups AS s JOIN skipped USING (id);
SELECT is(to_jsonb(j) - '{signup_id,due_at}'::text[],
    '{"step": "register_phone", "lane": 5, "attempt": 0, "give_up_at": null, "lease_id": null, "worker_id": null, "sent": false,
      "by_operator": true, "interrupted": 0}'::jsonb, 'its job is the next step')
  FROM embark.jobs AS j JOIN skipped ON id = j.signup_id;
SELECT is((SELECT count(*)::integer FROM embark.attempts WHERE signup_id = id), 1, 'the history is kept') FROM skipped;
SELECT is(test.audit(id), '{"actor": "ada", "action": "skip", "reason": "they pay by card",
    "detail": {"failed_step": "share_credit_line", "error_code": "funded_elsewhere", "generation": 2, "goes_on_at": "register_phone"}}'::jsonb,
    'the audit says who left what out and why') FROM skipped;
SELECT is(test.refusal(format('SELECT embark.skip(%s)', id), 'runs'), '55000 embark.signup_id', 'once: then it runs') FROM skipped;

-- Whoever skips says what they have seen.
CREATE TEMPORARY TABLE seen AS SELECT test.stand('seen', 'failed', 'share_credit_line') AS id;
SELECT is(embark.skip(id, expected_generation => 1), 'register_phone', 'the failure that was seen is skipped') FROM seen;
UPDATE embark.signups SET state = 'failed', failed_step = 'register_phone', error_code = '2' WHERE id = (SELECT id FROM seen);
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM seen);
SELECT is(test.refusal(format('SELECT embark.skip(%s, expected_generation => 1)', id), 'meanwhile: it is failed, at generation 2'),
    '55000 embark.signup_id', 'the next failure, at another step, is not') FROM seen;
SELECT is(embark.skip(id), 'send_test_message', 'but by whoever expects nothing') FROM seen;
SELECT is(test.refusal(format('SELECT embark.skip(%s, expected_generation => 2)', id), 'meanwhile: it is running, at generation 3'),
    '55000 embark.signup_id', 'nor is one that runs by then') FROM seen;

CREATE TEMPORARY TABLE last AS SELECT test.stand('last', 'failed', 'send_test_message') AS id;
SELECT is(embark.skip(id), 'completed', 'behind the last step the signup is completed') FROM last;
SELECT is((SELECT o.type::text || ' ' || o.generation FROM embark.outcomes AS o WHERE o.signup_id = t.id), 'signup.completed 2', 'which is an outcome') FROM last AS t;
SELECT is((SELECT count(*)::integer FROM embark.jobs WHERE signup_id = id), 0, 'and there is no job') FROM last;
SELECT is(test.audit(id) ->> 'actor', session_user::text, 'without an actor it is the session''s user') FROM last;
SELECT is(test.refusal(format('SELECT embark.skip(%s)', test.stand(step, 'failed', step))), 'accepted', step || ' can be skipped')
  FROM unnest(ARRAY['verify_grant', 'subscribe_app', 'assign_system_user', 'register_phone']) AS step;

-- What cannot be skipped.
CREATE TABLE test.calls (place integer GENERATED ALWAYS AS IDENTITY, what text, statement text, says text, expected text);
INSERT INTO test.calls (what, statement, says, expected) VALUES
    ('no id', 'SELECT embark.skip(NULL)', '', '22023 embark.signup_id'),
    ('an id that is nobody''s', 'SELECT embark.skip(999999)', '', 'P0002 embark.signup_id');
INSERT INTO test.calls (what, statement, says, expected)
SELECT v.what, format('SELECT embark.skip(%s%s)', test.stand(v.what, v.state, v.step, v.error_code), v.more), v.says, v.expected
  FROM (VALUES
    ('a signup that runs', 'running', 'subscribe_app', NULL, '', 'or cancel it', '55000 embark.signup_id'),
    ('a completed signup', 'completed', NULL, NULL, '', 'completed: there is no step left', '55000 embark.signup_id'),
    ('a cancelled signup', 'cancelled', NULL, NULL, '', 'cancelled: there is no step left', '55000 embark.signup_id'),
    ('the exchange', 'failed', 'exchange_code', 'code_spent', '', 'replay it with a new code', '55000 embark.signup_id'),
    ('an uncertain effect', 'failed', 'share_credit_line', 'effect_uncertain', '', 'embark.resolve', '55000 embark.signup_id'),
    ('a step that the plan does not have', 'failed', 'sync_history', '1', '', 'cancel it', '55000 embark.signup_id'),
    ('an empty actor', 'failed', 'subscribe_app', '1', ', actor => ''''', '1 to 255', '22023 embark.actor'),
    ('a reason of 2,001 characters', 'failed', 'subscribe_app', '1', ', reason => repeat(''a'', 2001)', '', '22023 embark.reason'))
       AS v (what, state, step, error_code, more, says, expected);
CREATE TEMPORARY TABLE unfound AS
SELECT test.stand('no account', 'failed', 'verify_grant', 'several_wabas') AS no_account, test.stand('no number', 'failed', 'verify_grant', 'several_phones') AS no_number;
UPDATE embark.signups SET waba_id = NULL WHERE id = (SELECT no_account FROM unfound);
UPDATE embark.signups SET phone_number_id = NULL WHERE id = (SELECT no_number FROM unfound);
INSERT INTO test.calls (what, statement, says, expected)
SELECT 'the grant, without an account', format('SELECT embark.skip(%s)', no_account), 'whose account only verify_grant', '55000 embark.signup_id' FROM unfound
 UNION ALL
SELECT 'the grant, without a number', format('SELECT embark.skip(%s)', no_number), 'embark.mend', '55000 embark.signup_id' FROM unfound;
CREATE TEMPORARY TABLE unmoved AS
SELECT s.id, s::text AS signup, (SELECT count(*) FROM embark.audit) AS audits, (SELECT count(*) FROM embark.jobs) AS jobs FROM embark.signups AS s;
SELECT is(test.refusal(statement, says), expected, 'skipping is refused for ' || what) FROM test.calls ORDER BY place;
SELECT is_empty(
    'SELECT FROM unmoved AS u JOIN embark.signups AS s USING (id)
      WHERE s::text <> u.signup OR u.audits <> (SELECT count(*) FROM embark.audit) OR u.jobs <> (SELECT count(*) FROM embark.jobs)',
    'a refusal changes nothing');
-- Who has no number to lose may leave the grant unverified.
UPDATE embark.signups SET plan = '{exchange_code,verify_grant,subscribe_app}' WHERE id = (SELECT no_number FROM unfound);
SELECT is(embark.skip(no_number), 'subscribe_app', 'a plan that needs no number goes on without one') FROM unfound;

-- Cancelling one that runs.
CREATE TEMPORARY TABLE cancelled AS SELECT test.stand('cancelled', 'running', 'subscribe_app') AS id;
CREATE TEMPORARY TABLE untouched AS SELECT test.stand('untouched', 'running', 'subscribe_app') AS id;
SELECT is(embark.cancel(id, 'ada', 'enqueued twice'), 'subscribe_app', 'a signup that runs is cancelled, at the step where it stood') FROM cancelled;
SELECT is(jsonb_build_array(s.state, s.generation, s.failed_step, s.waiting_on, s.error_code), '["cancelled", 1, null, null, null]'::jsonb,
    'it is cancelled, in the generation that it had') FROM embark.signups AS s JOIN cancelled USING (id);
SELECT is((SELECT count(*)::integer FROM embark.jobs WHERE signup_id = id), 0, 'its job is gone') FROM cancelled;
SELECT is(to_jsonb(x) - '{signup_id,content_sha256,renewal_sha256}'::text[],
    '{"code": null, "pin": null, "verify_token": null, "sealed_pin": "sealed pin", "sealed_token": "sealed token"}'::jsonb,
    'the code, and whatever else was plain text, is erased; what is sealed stays') FROM embark.secrets AS x JOIN cancelled ON id = x.signup_id;
SELECT is((SELECT jsonb_agg(to_jsonb(o) - '{id,seq,signup_id,at}'::text[]) FROM embark.outcomes AS o WHERE o.signup_id = t.id),
    '[{"generation": 1, "type": "signup.cancelled", "error_code": null, "waiting_on": null}]'::jsonb, 'upstream reads it') FROM cancelled AS t;
SELECT is(test.audit(id), '{"actor": "ada", "action": "cancel", "reason": "enqueued twice",
    "detail": {"state": "running", "step": "subscribe_app", "error_code": null, "generation": 1}}'::jsonb, 'and so is who, and why') FROM cancelled;
SELECT is((SELECT j.lease_id || x.code FROM embark.jobs AS j JOIN embark.secrets AS x USING (signup_id) WHERE j.signup_id = id), '7a code',
    'nobody else is touched') FROM untouched;

-- One that failed.
CREATE TEMPORARY TABLE given_up AS SELECT test.stand('given up', 'failed', 'share_credit_line', 'effect_uncertain') AS id;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts) SELECT '1', id, 1 FROM given_up;
SELECT is(embark.cancel(id), 'share_credit_line', 'one that failed is cancelled, also while an effect is uncertain') FROM given_up;
SELECT is(jsonb_build_array(s.state, s.failed_step, s.waiting_on, s.error_code, s.error_message), '["cancelled", null, null, null, null]'::jsonb,
    'and waits on nobody any more') FROM embark.signups AS s JOIN given_up USING (id);
SELECT is(test.audit(id) -> 'detail', '{"state": "failed", "step": "share_credit_line", "error_code": "effect_uncertain", "generation": 1}'::jsonb,
    'the audit keeps what it had failed with') FROM given_up;
SELECT is((SELECT h.posts FROM embark.credit_shares AS h WHERE h.signup_id = id), 1, 'a post that may have left still counts') FROM given_up;
-- Without a job, as no version of Embark leaves one.
CREATE TEMPORARY TABLE lost AS SELECT test.stand('lost', 'running') AS id;
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM lost);
SELECT is(embark.cancel(id), NULL, 'one that runs without a job is cancelled, too') FROM lost;

-- What cannot be cancelled.
SELECT is(test.refusal('SELECT embark.cancel(NULL)'), '22023 embark.signup_id', 'no id is refused');
SELECT is(test.refusal('SELECT embark.cancel(999999)'), 'P0002 embark.signup_id', 'an id that is nobody''s is refused');
SELECT is(test.refusal(format('SELECT embark.cancel(%s)', id), 'cancelled already'), '55000 embark.signup_id', 'a second time is refused') FROM cancelled;
SELECT is(test.refusal(format('SELECT embark.cancel(%s)', id), 'completed already'), '55000 embark.signup_id', 'a completed signup is refused') FROM last;
SELECT is(test.refusal(format('SELECT embark.cancel(%s, E''a\nb'')', id), 'control characters'), '22023 embark.actor', 'an actor of two lines is refused') FROM untouched;
SELECT is(test.refusal(format('SELECT embark.replay(%s)', id), 'cancelled'), '55000 embark.signup_id', 'and it is never replayed') FROM cancelled;
SELECT is(test.refusal($$SELECT embark.renew_signup('cancelled', 'AQ-new')$$, 'cancelled'), '55000 embark.external_id', 'nor renewed');
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true)', id)), '55000 embark.signup_id', 'nor resolved') FROM given_up;

SELECT * FROM finish();
ROLLBACK;
