-- An operator says whether the effect happened of which nothing could tell.
BEGIN;
SET client_min_messages = warning;

SELECT plan(45);

CREATE SCHEMA test;
-- A signup whose call at this step may have had its effect, as a worker would have left it.
CREATE FUNCTION test.stand(name text, step text, state text DEFAULT 'failed', error_code text DEFAULT 'effect_uncertain')
RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    signup bigint := embark.enqueue_signup(code => 'c', currency => 'USD', external_id => name, waba_id => '1',
                                           phone_number_id => '2', test_recipient => '+16505551234');
BEGIN
    DELETE FROM embark.jobs WHERE signup_id = signup AND stand.state <> 'running';
    UPDATE embark.signups AS s
       SET state = stand.state::embark.signup_state,
           failed_step = CASE WHEN stand.state = 'failed' THEN step END,
           error_code = CASE WHEN stand.state = 'failed' THEN stand.error_code END,
           waiting_on = CASE WHEN stand.state = 'failed' THEN 'operator'::embark.party END,
           warnings = CASE WHEN stand.state = 'completed' THEN ARRAY['other', stand.error_code] ELSE '{}' END
     WHERE s.id = signup;
    RETURN signup;
END
$$;
-- 'accepted', or SQLSTATE and field; says so when the message lacks what it should say.
CREATE FUNCTION test.refusal(statement text, says text DEFAULT '') RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text; message text; state text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, field = COLUMN_NAME, message = MESSAGE_TEXT;
    RETURN state || ' ' || field || CASE WHEN position(says IN message) > 0 THEN '' ELSE ', message: ' || message END;
END
$$;

CREATE FUNCTION test.refusal_behind(first text, statement text, says text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN EXECUTE first; RETURN test.refusal(statement, says); END $$;
CREATE FUNCTION test.owns(signup bigint) RETURNS void LANGUAGE sql AS
$$ UPDATE embark.credit_shares SET signup_id = signup, posts = 1, sent_at = now() - interval '3 min' WHERE waba_id = '1' $$;

-- It had happened.
CREATE TEMPORARY TABLE shared AS SELECT test.stand('shared', 'share_credit_line') AS id;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts) SELECT '1', id, 2 FROM shared;
SELECT is(embark.resolve(id, true, 'ada', 'seen in Business Manager'), 'register_phone', 'an effect that happened: the signup goes on behind its step')
  FROM shared;
SELECT is(jsonb_build_array(s.state, s.generation, s.failed_step, s.waiting_on, s.error_code), '["running", 2, null, null, null]'::jsonb,
    'it runs, as a new generation, without its error')
  FROM embark.signups AS s JOIN shared USING (id);
SELECT is(to_jsonb(j) - '{signup_id,due_at}'::text[],
    '{"step": "register_phone", "lane": 5, "attempt": 0, "give_up_at": null, "lease_id": null, "worker_id": null, "sent": false,
      "by_operator": true, "interrupted": 0}'::jsonb, 'its job is the next step')
  FROM embark.jobs AS j JOIN shared ON id = j.signup_id;
SELECT is(h.posts, 2, 'the posts of a share that happened still count') FROM embark.credit_shares AS h;
SELECT is(to_jsonb(a) - '{id,at}'::text[],
    jsonb_build_object('actor', 'ada', 'session_user_name', session_user, 'action', 'resolve', 'signup_id', shared.id, 'scope', NULL,
        'reason', 'seen in Business Manager',
        'detail', '{"effect_happened": true, "failed_step": "share_credit_line", "goes_on_at": "register_phone"}'::jsonb),
    'the audit says who knew what')
  FROM embark.audit AS a JOIN shared ON shared.id = a.signup_id;
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true)', id)), '55000 signup_id', 'it is resolved once') FROM shared;

-- It had not.
DELETE FROM embark.credit_shares;
CREATE TEMPORARY TABLE unshared AS SELECT test.stand('unshared', 'share_credit_line') AS id;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts) SELECT '1', id, 2 FROM unshared;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts) SELECT '9', id + 1, 2 FROM unshared;
SELECT is(embark.resolve(id, false), 'share_credit_line', 'an effect that did not happen: the step runs again') FROM unshared;
SELECT is((SELECT string_agg(waba_id || ' ' || posts, ', ' ORDER BY waba_id) FROM embark.credit_shares), '1 0, 9 2',
    'its posts do not count any more, and nobody else''s are touched');
SELECT is(j.step, 'share_credit_line', 'its job is the step itself') FROM embark.jobs AS j JOIN unshared ON id = j.signup_id;

-- Whoever resolves says what they have seen.
CREATE TEMPORARY TABLE seen AS SELECT test.stand('seen', 'register_phone') AS id;
SELECT is(embark.resolve(id, false, expected_generation => 1), 'register_phone', 'the failure that was seen is resolved') FROM seen;
UPDATE embark.signups SET state = 'failed', failed_step = 'register_phone', error_code = 'effect_uncertain' WHERE id = (SELECT id FROM seen);
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM seen);
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true, expected_generation => 1)', id), 'meanwhile: it is failed, at generation 2'),
    '55000 signup_id', 'the next one, which nobody has looked into, is not') FROM seen;
SELECT is(embark.resolve(id, true, expected_generation => 2), 'send_test_message', 'before it is seen') FROM seen;

-- The last step of a plan.
CREATE TEMPORARY TABLE last AS SELECT test.stand('last', 'send_test_message') AS id;
SELECT is(embark.resolve(id, true), 'completed', 'behind the last step the signup is completed') FROM last;
SELECT is(o.type::text || ' ' || o.generation, 'signup.completed 2', 'which is an outcome') FROM embark.outcomes AS o JOIN last AS l ON l.id = o.signup_id;
SELECT is_empty('SELECT FROM embark.jobs JOIN last ON id = signup_id', 'and there is no job');

-- A test message is a warning only.
CREATE TEMPORARY TABLE messaged AS SELECT test.stand('messaged', NULL, 'completed', 'test_message_uncertain') AS id;
SELECT is(embark.resolve(id, true), 'completed', 'a test message that went out') FROM messaged;
SELECT is(s.warnings, '{other}', 'leaves no warning of its own') FROM embark.signups AS s JOIN messaged USING (id);
CREATE TEMPORARY TABLE unmessaged AS SELECT test.stand('unmessaged', NULL, 'completed', 'test_message_uncertain') AS id;
SELECT is(embark.resolve(id, false), 'completed', 'a test message that did not go out') FROM unmessaged;
SELECT is(s.warnings, '{other,test_message_failed}', 'is one that failed') FROM embark.signups AS s JOIN unmessaged USING (id);

-- Another signup of the account has the share and has ended; the line is not there. This one takes it over.
DELETE FROM embark.credit_shares;
CREATE TEMPORARY TABLE blocked AS
SELECT test.stand('owner', NULL, 'completed', 'other') AS owner, test.stand('blocked', 'share_credit_line', 'failed', 'credit_share_elsewhere') AS id;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts, attachments, allocation_config_id, sent_at)
SELECT '1', owner, 2, 1, '58', now() - interval '121 s' FROM blocked;
INSERT INTO embark.credit_shares (waba_id, signup_id, posts, allocation_config_id) SELECT '9', owner, 2, '59' FROM blocked;
UPDATE embark.signups SET state = 'running' WHERE id = (SELECT owner FROM blocked);
SELECT is(test.refusal(format('SELECT embark.resolve(%s, false)', id), owner || ', which runs: wait until that one ends'), '55000 signup_id',
    'not while the one that has the share runs') FROM blocked;
SELECT ok(test.refusal(format('SELECT embark.resolve(%s, false)', id), 'cancel') ~ 'message', 'and cancelling that one is no advice') FROM blocked;
UPDATE embark.signups SET state = 'failed', failed_step = 'share_credit_line', error_code = 'effect_uncertain' WHERE id = (SELECT owner FROM blocked);
SELECT is(test.refusal(format('SELECT embark.resolve(%s, false)', id), 'resolve ' || owner || ' first'), '55000 signup_id',
    'nor while nobody knows whether that one has shared it') FROM blocked;
-- Its call has left a moment ago: it may still have its effect, whatever has become of its signup.
UPDATE embark.credit_shares SET sent_at = now() - interval '30 s' WHERE waba_id = '1';
SELECT is(v.refusal, '55000 signup_id', 'nor while the call of one that is ' || v.state || ' may be on its way, with the time when it cannot')
  FROM unnest(ARRAY['cancelled', 'failed', 'completed']) AS s (state),
       LATERAL (SELECT s.state, test.refusal_behind(
           format('UPDATE embark.signups SET state = %L, error_code = NULL WHERE id = %s', s.state, (SELECT owner FROM blocked)),
           format('SELECT embark.resolve(%s, false)', (SELECT id FROM blocked)),
           'resolve it after ' || to_char(date_trunc('second', now() + interval '91 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')
           AS refusal) AS v;
SELECT is((SELECT h.signup_id = b.owner AND h.posts = 2 FROM embark.credit_shares AS h WHERE h.waba_id = '1'), true,
    'and the share is the other''s') FROM blocked AS b;
UPDATE embark.credit_shares SET sent_at = now() - interval '121 s' WHERE waba_id = '1';
SELECT is(embark.resolve(id, false, 'ada', 'taken back last week'), 'share_credit_line', 'once it has ended the blocked one shares anew') FROM blocked;
SELECT is((SELECT h.signup_id = b.id AND h.posts + h.attachments = 0 AND h.allocation_config_id IS NULL FROM embark.credit_shares AS h WHERE h.waba_id = '1'),
    true, 'with the account''s row, as if nobody had posted') FROM blocked AS b;
SELECT is((SELECT h.signup_id = b.owner AND h.posts = 2 AND h.allocation_config_id = '59' FROM embark.credit_shares AS h WHERE h.waba_id = '9'),
    true, 'and no other account''s') FROM blocked AS b;
SELECT is(a.detail ->> 'share_taken_over_from', b.owner::text, 'the audit says from whom') FROM blocked AS b JOIN embark.audit AS a ON a.signup_id = b.id;
SELECT is((SELECT count(*)::integer FROM embark.jobs WHERE signup_id = id AND step = 'share_credit_line'), 1, 'and its job is the step') FROM blocked;
-- Taken over from one that is cancelled, or that failed; with the line there after all.
SELECT is(test.refusal(format('SELECT embark.resolve(%s, false)', v.blocked)), 'accepted', 'also from one that is ' || v.state)
  FROM (SELECT state, test.stand('blocked by ' || state, 'share_credit_line', 'failed', 'credit_share_elsewhere') AS blocked,
               test.stand('owner ' || state, 'share_credit_line', state, '2') AS owner
          FROM unnest(ARRAY['cancelled', 'failed']) AS state) AS v,
       LATERAL (SELECT test.owns(v.owner)) AS o;
SELECT is(embark.resolve(test.stand('line is there', 'share_credit_line', 'failed', 'credit_share_elsewhere'), true), 'register_phone',
    'where the line is there after all the signup goes on behind the step');
SELECT is((SELECT signup_id <> (SELECT id FROM embark.signups WHERE external_id = 'line is there') FROM embark.credit_shares WHERE waba_id = '1'), true,
    'and leaves the share to the other');
-- Of its own uncertain posts another's row is none.
CREATE TEMPORARY TABLE strange AS SELECT test.stand('strange', 'share_credit_line') AS id;
UPDATE embark.credit_shares SET posts = 2 WHERE waba_id = '1';
SELECT is(embark.resolve(id, false), 'share_credit_line', 'an uncertain post of one''s own that did not happen') FROM strange;
SELECT is((SELECT h.signup_id <> s.id AND h.posts = 2 FROM embark.credit_shares AS h WHERE h.waba_id = '1'), true,
    'takes nothing from anybody') FROM strange AS s;
-- A code that is another step's, or none at all.
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true)', test.stand('no code', 'register_phone', 'failed', NULL))), '55000 signup_id',
    'a failure without a code is refused');
SELECT is((SELECT count(*)::integer FROM embark.credit_shares), 2, 'there is one row an account, as before');
SELECT is((SELECT count(*)::integer FROM embark.outcomes AS o JOIN blocked AS b ON b.id = o.signup_id), 0, 'and no outcome of what goes on');

-- What cannot be resolved.
SELECT is(test.refusal('SELECT embark.resolve(NULL, true)'), '22023 signup_id', 'no id is refused');
SELECT is(test.refusal('SELECT embark.resolve(999999, true)'), 'P0002 signup_id', 'an id that is nobody''s is refused');
SELECT is(test.refusal(format('SELECT embark.resolve(%s, NULL)', test.stand('neither', 'share_credit_line'))), '22023 effect_happened',
    'neither yes nor no is refused');
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true)', test.stand('certain', 'register_phone', 'failed', '133005'))), '55000 signup_id',
    'a failure that is certain is refused');
SELECT is(test.refusal(format('SELECT embark.resolve(%s, true)', test.stand('running', NULL, 'running'))), '55000 signup_id',
    'a signup that runs is refused');

SELECT * FROM finish();
ROLLBACK;
