-- Enqueuing is part of the caller's transaction: rolled back, it never was; and a refusal can be stepped over with a savepoint.
SET client_min_messages = warning;
\ir support/ways_in.sql

CREATE FUNCTION test.enqueued() RETURNS text LANGUAGE sql AS
$$
SELECT format('%s signups, %s secrets, %s jobs',
    (SELECT count(*) FROM embark.signups), (SELECT count(*) FROM embark.secrets), (SELECT count(*) FROM embark.jobs))
$$;

SELECT plan(14);

-- A whole transaction rolled back, so these are not within one.
BEGIN;
SELECT test.enqueue(way, test.signup() || jsonb_build_object('external_id', way))
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;
SELECT is(test.enqueued(), '2 signups, 2 secrets, 2 jobs', 'the caller sees its own signups before the commit');
ROLLBACK;
SELECT is(test.enqueued(), '0 signups, 0 secrets, 0 jobs', 'a transaction that is rolled back has enqueued nothing');
BEGIN;
SELECT test.enqueue(way, test.signup() || jsonb_build_object('external_id', way))
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;
COMMIT;
SELECT is(test.enqueued(), '2 signups, 2 secrets, 2 jobs', 'a transaction that is committed has enqueued its signups');
SELECT is(coalesce(current_setting('embark.inbox', true), ''), '', 'what the inbox remembers does not outlive the transaction');

BEGIN;
SAVEPOINT kept;
SELECT test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "given up"}');
ROLLBACK TO kept;
SELECT is(test.enqueued(), '2 signups, 2 secrets, 2 jobs', 'what was enqueued behind a savepoint goes with it');
SELECT lives_ok(
    $$SELECT embark.enqueue_signup(code => 'other', currency => 'EUR', external_id => 'given up')$$,
    'the external id of a signup that was rolled back is free, even for other content');
-- throws_ok catches the error, which is a savepoint and a rollback to it.
SELECT throws_ok(
    $$SELECT embark.enqueue_signup(code => 'c', currency => 'bad')$$, '22023', NULL, 'a signup behind a savepoint is refused');
SELECT throws_ok(
    $$INSERT INTO embark.signup_inbox (code, currency) VALUES ('c', 'USD'), ('c', 'bad')$$, '22023', NULL,
    'rows behind a savepoint are refused');
SELECT is(test.enqueued(), '3 signups, 3 secrets, 3 jobs', 'neither refusal has enqueued anything');
SELECT lives_ok(
    $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'good again')$$,
    'after a refusal that was rolled back a good signup is accepted');
SELECT lives_ok(
    $$INSERT INTO embark.signup_inbox (code, currency, external_id) VALUES ('c', 'USD', 'good row again')$$,
    'after refused rows that were rolled back a good row is accepted');
COMMIT;
SELECT is(test.enqueued(), '5 signups, 5 secrets, 5 jobs', 'the transaction went on and could be committed');

-- What a caller leaves in the settings that the inbox uses is no refusal.
SET embark.refusal = '22023 nonsense';
SET embark.inbox = 'nonsense';
SELECT lives_ok(
    $$INSERT INTO embark.signup_inbox (code, currency) VALUES ('c', 'USD')$$, 'a caller''s own setting refuses no row');
SELECT lives_ok(
    $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD')$$, 'a caller''s own setting refuses no call');

SELECT * FROM finish();
