-- What one signup leaves behind: its row, its secrets in their own table and nowhere else, and its first job.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

SELECT plan(24);

CREATE TEMPORARY TABLE entered AS
SELECT way, test.enqueue(way, test.signup() || jsonb_build_object(
           'external_id', way, 'test_recipient', '+16505551234', 'test_message', 'Hello', 'data_localization_region', 'DE',
           'code_issued_at', now() - interval '7 s')) AS id
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;

SELECT is(
    to_jsonb(s) - '{id,created_at,updated_at,code_issued_at}'::text[],
    jsonb_build_object(
        'external_id', e.way, 'state', 'running', 'generation', 1, 'flow', 'cloud_api',
        'plan', ARRAY['exchange_code', 'verify_grant', 'subscribe_app', 'assign_system_user', 'share_credit_line',
                      'register_phone', 'send_test_message'],
        'failed_step', NULL, 'waiting_on', NULL, 'error_code', NULL, 'error_message', NULL,
        'waba_id', '102290129340398', 'phone_number_id', '106540352242922', 'business_id', '2729063490586005',
        'currency', 'USD', 'allocation_config_id', NULL, 'test_recipient', '+16505551234', 'test_message', 'Hello',
        'test_message_id', NULL, 'test_message_wa_id', NULL, 'token_expires_at', NULL, 'warnings', '{}'::text[],
        'redirect_uri', 'https://CANARY.example/back', 'data_localization_region', 'DE',
        'override_callback_uri', 'https://CANARY.example/hook', 'metadata', '{"note": "CANARY-metadata"}'::jsonb),
    way || ' writes the public facts and the plan into the signup''s row')
  FROM entered AS e JOIN embark.signups AS s USING (id) ORDER BY e.way;
SELECT is(s.code_issued_at, now() - interval '7 s', way || ' keeps the time at which the code was issued')
  FROM entered AS e JOIN embark.signups AS s USING (id) ORDER BY e.way;
SELECT ok(s.created_at BETWEEN now() AND clock_timestamp() AND s.updated_at BETWEEN now() AND clock_timestamp(),
    way || ' notes when it happened, by the clock and not by the transaction')
  FROM entered AS e JOIN embark.signups AS s USING (id) ORDER BY e.way;

SELECT is(
    to_jsonb(x) - '{signup_id,content_sha256}'::text[],
    '{"code": "CANARY-code", "pin": "918273", "verify_token": "CANARY-token", "sealed_pin": null, "sealed_token": null,
      "renewal_sha256": null}'::jsonb,
    way || ' writes the code, the PIN and the verify token into the row of secrets')
  FROM entered AS e JOIN embark.secrets AS x ON x.signup_id = e.id ORDER BY e.way;
SELECT is(octet_length(x.content_sha256), 32, way || ' keeps a SHA-256 of what was handed in')
  FROM entered AS e JOIN embark.secrets AS x ON x.signup_id = e.id ORDER BY e.way;

SELECT is(
    to_jsonb(j) - '{signup_id,due_at,give_up_at}'::text[],
    '{"step": "exchange_code", "lane": 0, "attempt": 0, "lease_id": null, "worker_id": null, "sent": false, "by_operator": false, "interrupted": 0}'::jsonb,
    way || ' writes one job, the exchange, into the lane of expiring codes, leased to nobody')
  FROM entered AS e JOIN embark.jobs AS j ON j.signup_id = e.id ORDER BY e.way;
SELECT ok(j.due_at BETWEEN now() AND clock_timestamp(), way || ' makes the job due at once')
  FROM entered AS e JOIN embark.jobs AS j ON j.signup_id = e.id ORDER BY e.way;
SELECT is(j.give_up_at, now() + interval '23 s', way || ' lets the job be given up 30 s after the code was issued')
  FROM entered AS e JOIN embark.jobs AS j ON j.signup_id = e.id ORDER BY e.way;
SELECT is((SELECT count(*)::integer FROM embark.jobs WHERE signup_id = e.id), 1, way || ' writes no second job')
  FROM entered AS e ORDER BY e.way;
-- A clock that runs ahead gives the code no second more.
SELECT test.enqueue('the function', jsonb_build_object(
    'code', 'c', 'currency', 'USD', 'external_id', 'ahead', 'code_issued_at', clock_timestamp() + interval '3 minutes'));
SELECT ok(
    (SELECT j.give_up_at <= clock_timestamp() + interval '30 s'
       FROM embark.jobs AS j JOIN embark.signups AS s ON s.id = j.signup_id WHERE s.external_id = 'ahead'),
    'a code from a clock that runs ahead is given up 30 s from now at the latest');

-- Next to nothing is needed.
CREATE TEMPORARY TABLE least AS SELECT test.enqueue('the function', '{"code": "c", "currency": "USD"}') AS id;
SELECT is(
    (SELECT jsonb_strip_nulls(to_jsonb(s)) - '{id,created_at,updated_at,code_issued_at,plan}'::text[]
       FROM embark.signups AS s JOIN least USING (id)),
    '{"state": "running", "generation": 1, "flow": "cloud_api", "currency": "USD", "warnings": [], "metadata": {}}'::jsonb,
    'a signup of a code and a currency has nothing in its row that was not given');
SELECT is(
    (SELECT jsonb_strip_nulls(to_jsonb(x)) - 'signup_id' FROM embark.secrets AS x JOIN least ON x.signup_id = least.id),
    '{"code": "c"}'::jsonb,
    'without an external id no hash is kept');

-- The secrets, looked for as text in each row of everything else, the views included.
SELECT is(
    (SELECT count(*)::integer FROM embark.secrets WHERE secrets::text ~ 'CANARY-code' AND secrets::text ~ '918273'
                                                    AND secrets::text ~ 'CANARY-token'),
    2, 'the secrets are found as text where they are kept: the search below works');
CREATE FUNCTION test.tell_tales(relation regclass) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    found bigint;
BEGIN
    EXECUTE format($sql$SELECT count(*) FROM %s AS r WHERE r::text ~ 'CANARY-code|918273|CANARY-token'
                           OR r::text ~ (encode(convert_to('CANARY-', 'UTF8'), 'hex') || '(636f6465|746f6b656e)')$sql$, relation)
       INTO found;
    RETURN found;
END
$$;
SELECT is_empty(
    $$SELECT c.relname
        FROM pg_class AS c
       WHERE c.relnamespace = 'embark'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'v') AND c.relname <> 'secrets'
         AND test.tell_tales(c.oid) > 0$$,
    'no code, PIN or verify token stands in any other table or view');
UPDATE embark.signups SET error_message = 'CANARY-code' WHERE id = (SELECT id FROM least);
SELECT is(test.tell_tales('embark.signups'), 1::bigint, 'a code that is put into the row of a signup is found');

SELECT * FROM finish();
ROLLBACK;
