-- The same external id with the same content is the same signup, whichever way and however often it comes; with any other
-- content it is an error.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

SELECT plan(55);

-- Each field has a value; the pin and the token are kept for their own table.
CREATE FUNCTION test.whole() RETURNS jsonb LANGUAGE sql AS
$$
SELECT test.signup() || '{"flow": "cloud_api", "test_recipient": "+16505551234", "test_message": "Hello",
                          "data_localization_region": "DE", "code_issued_at": "2026-01-01 00:00:00+00"}'
$$;
CREATE TEMPORARY TABLE first AS SELECT test.enqueue('the function', test.whole()) AS id;
CREATE FUNCTION test.same(way text, fields jsonb) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN RETURN test.enqueue(way, fields) = (SELECT id FROM first); END $$;

SELECT ok(test.same(way, test.whole()), way || ' returns the id of the first when all is the same')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;
SELECT ok(
    test.same(way, test.whole() || jsonb_build_object('code_issued_at', issued)),
    format('%s returns the id of the first when the code''s time is %s', way, coalesce(issued, 'left out')))
  FROM unnest(ARRAY['the function', 'the inbox']) AS way, unnest(ARRAY['2026-01-01 00:00:01+00', NULL]) AS issued;
-- What is written differently and means the same.
SELECT ok(
    test.same(way, test.whole() || jsonb_build_object(
        'metadata', E' {"note" :\t"CANARY-\\u006detadata"} ',
        'webhook_override', '{"verify_token":"CANARY-token","override_callback_uri":"https://CANARY.example/hook"}')),
    way || ' returns the id of the first when the JSON is written another way')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;

SELECT is(
    ARRAY[(SELECT count(*) FROM embark.signups), (SELECT count(*) FROM embark.secrets), (SELECT count(*) FROM embark.jobs)],
    ARRAY[1, 1, 1]::bigint[], 'after all of them there is one signup, one row of secrets and one job');
SELECT is((SELECT code_issued_at FROM embark.signups), '2026-01-01 00:00:00+00', 'a repeated signup leaves the first as it was');

-- One other value a field, and each optional one absent.
CREATE TABLE test.changes (place integer GENERATED ALWAYS AS IDENTITY, field text, value text);
INSERT INTO test.changes (field, value) VALUES
    ('code', 'CANARY-code '), ('waba_id', '102290129340399'), ('waba_id', NULL), ('phone_number_id', '106540352242923'),
    ('phone_number_id', NULL), ('business_id', '2729063490586006'), ('business_id', NULL), ('currency', 'EUR'),
    ('flow', 'coexistence'), ('pin', '918274'), ('pin', NULL), ('test_recipient', '+16505551235'), ('test_recipient', NULL),
    ('test_message', 'hello'), ('test_message', NULL), ('redirect_uri', 'https://CANARY.example/back/'), ('redirect_uri', NULL),
    ('redirect_uri', ''), ('data_localization_region', 'CH'), ('data_localization_region', NULL),
    ('webhook_override', '{"override_callback_uri": "https://CANARY.example/other", "verify_token": "CANARY-token"}'),
    ('webhook_override', '{"override_callback_uri": "https://CANARY.example/hook", "verify_token": "CANARY-other"}'),
    ('webhook_override', NULL), ('metadata', '{"note": "CANARY"}'), ('metadata', NULL);
SELECT is(
    (SELECT count(DISTINCT field) FROM test.changes) + 2,
    (SELECT pronargs::bigint FROM pg_proc WHERE oid = 'embark.enqueue_signup'::regproc),
    'every field but the external id and the code''s time is changed here');
SELECT is(
    string_agg(DISTINCT test.refusal(way, test.whole() || jsonb_build_object(c.field, c.value)), ' and '),
    '23505 embark.external_id',
    format('either way refuses the used external id with %s %s',
        CASE WHEN c.value IS NULL THEN 'no' WHEN c.value = '' THEN 'an empty' ELSE 'another' END, c.field))
  FROM test.changes AS c, unnest(ARRAY['the function', 'the inbox']) AS way
 GROUP BY c.place, c.field, c.value ORDER BY c.place;

-- What the hint says is all that a caller can do about it.
SELECT throws_like(
    $test$DO $do$
      DECLARE hint text;
      BEGIN
          PERFORM embark.enqueue_signup(code => 'other', currency => 'USD', external_id => 'CANARY-external');
      EXCEPTION WHEN unique_violation THEN
          GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
          RAISE EXCEPTION '%', hint;
      END $do$$test$,
    '%Send the same content again%another external_id%embark.renew_signup%',
    'the hint names the three ways out of a used external id');

-- Two fields must not be able to stand in for each other.
SELECT test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "shift", "waba_id": "123"}');
SELECT is(
    test.refusal('the function', '{"code": "c", "currency": "USD", "external_id": "shift", "phone_number_id": "123"}'),
    '23505 embark.external_id', 'the same value in another field is other content');
SELECT test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "dialog", "redirect_uri": ""}');
SELECT is(
    test.refusal('the function', '{"code": "c", "currency": "USD", "external_id": "dialog"}'),
    '23505 embark.external_id', 'an empty redirect_uri and none are two things');
-- Defaults.
SELECT test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "by default"}');
CREATE TABLE test.defaults (field text, value text);
INSERT INTO test.defaults VALUES ('flow', 'cloud_api'), ('metadata', '{}'), ('code_issued_at', now()::text),
    ('test_message', 'Message received, loud and clear!'),
    -- Without a recipient nothing is sent, so what would be said is no part of the signup.
    ('test_message', 'something else');
SELECT is(
    test.enqueue(way, jsonb_build_object('code', 'c', 'currency', 'USD', 'external_id', 'by default', d.field, d.value)),
    (SELECT id FROM embark.signups WHERE external_id = 'by default'),
    format('%s takes %s as %s for the same as leaving it out', way, d.field, d.value))
  FROM test.defaults AS d, unnest(ARRAY['the function', 'the inbox']) AS way;
SELECT is(
    embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'by default', flow => NULL, test_message => NULL,
                          code_issued_at => NULL, metadata => NULL),
    (SELECT id FROM embark.signups WHERE external_id = 'by default'),
    'the function takes NULL for the same as leaving it out');
INSERT INTO embark.signup_inbox (code, currency, external_id, test_recipient) VALUES ('c', 'USD', 'spoken', '+16505551234');
SELECT is(
    test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "spoken", "test_recipient": "+16505551234",
                                   "test_message": "Message received, loud and clear!"}'),
    (SELECT id FROM embark.signups WHERE external_id = 'spoken'),
    'a signup that came through the inbox is found by the function');

-- Without an external id nothing says that two are one; and the case of an external id counts.
SELECT isnt(
    test.enqueue('the function', '{"code": "c", "currency": "USD"}'), test.enqueue('the function', '{"code": "c", "currency": "USD"}'),
    'without an external id the same content is two signups');
SELECT isnt(
    test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "Case"}'),
    test.enqueue('the function', '{"code": "c", "currency": "USD", "external_id": "case"}'),
    'external ids that differ in case are two');

-- The first signup may have ended since.
UPDATE embark.signups SET state = 'completed' WHERE id = (SELECT id FROM first);
UPDATE embark.secrets SET code = NULL, pin = NULL, verify_token = NULL WHERE signup_id = (SELECT id FROM first);
DELETE FROM embark.jobs WHERE signup_id = (SELECT id FROM first);
SELECT ok(test.same('the inbox', test.whole()), 'a signup that has ended, and whose secrets are erased, is found all the same');
SELECT is_empty('SELECT FROM embark.jobs WHERE signup_id = (SELECT id FROM first)', 'and it gets no new job');

SELECT * FROM finish();
ROLLBACK;
