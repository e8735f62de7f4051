-- What people see: the columns and states of signup_status and job_list.
BEGIN;
SET client_min_messages = warning;

SELECT plan(30);

CREATE SCHEMA test;
CREATE FUNCTION test.columns(relation regclass) RETURNS text LANGUAGE sql AS
$$
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
$$;
-- Programs read these by place as well as by name.
SELECT is(test.columns('embark.signup_status'),
    'id bigint, external_id text, flow text, state text, step text, waiting_on text, error_code text, error_message text, '
    'waba_id text, phone_number_id text, business_id text, allocation_config_id text, test_message_id text, '
    'test_message_wa_id text, warnings text[], generation integer, created_at timestamp with time zone, '
    'updated_at timestamp with time zone, metadata jsonb',
    'signup_status has these columns, in this order');
SELECT is(test.columns('embark.job_list'),
    'signup_id bigint, external_id text, step text, state text, due_at timestamp with time zone, attempt integer, '
    'worker_id bigint, last_error_code text, last_error_message text, last_error_at timestamp with time zone',
    'job_list has these columns, in this order');
SELECT is(enum_range(NULL::embark.signup_state)::text, '{running,completed,failed,cancelled}', 'a signup has these states');
SELECT is(enum_range(NULL::embark.party)::text, '{customer,operator}', 'a failed signup waits on one of these');
SELECT is(enum_range(NULL::embark.flow)::text, '{cloud_api,only_waba,coexistence,api_access_only}', 'there are these flows');
SELECT is(enum_range(NULL::embark.outcome_type)::text, '{signup.completed,signup.failed,signup.cancelled}',
    'there are these types of outcome');

-- One signup a state, moved there as a worker would.
CREATE TABLE test.standing (name text PRIMARY KEY, id bigint);
INSERT INTO test.standing
SELECT name, embark.enqueue_signup(code => 'c', currency => 'USD', external_id => name, waba_id => '1', phone_number_id => '2',
                                   business_id => '3', metadata => '{"n": 1}')
  FROM unnest(ARRAY['ready', 'scheduled', 'running', 'lease ran out', 'completed', 'failed', 'cancelled']) AS name;
UPDATE embark.jobs SET step = 'subscribe_app', due_at = '2100-01-01' WHERE signup_id = (SELECT id FROM test.standing WHERE name = 'scheduled');
UPDATE embark.jobs SET due_at = '2100-01-02', lease_id = 7, worker_id = 5, attempt = 1
 WHERE signup_id = (SELECT id FROM test.standing WHERE name = 'running');
UPDATE embark.jobs SET due_at = '2020-01-01', lease_id = 8, worker_id = 6
 WHERE signup_id = (SELECT id FROM test.standing WHERE name = 'lease ran out');
DELETE FROM embark.jobs WHERE signup_id IN (SELECT id FROM test.standing WHERE name IN ('completed', 'failed', 'cancelled'));
UPDATE embark.signups SET state = external_id::embark.signup_state WHERE external_id IN ('completed', 'failed', 'cancelled');
UPDATE embark.signups SET failed_step = 'register_phone', waiting_on = 'operator', error_code = '133005',
       error_message = 'Two step verification PIN mismatch', updated_at = '2026-05-01 00:00:00+00' WHERE external_id = 'failed';
UPDATE embark.signups SET allocation_config_id = '77', test_message_id = 'wamid.1', test_message_wa_id = '16505551234',
       warnings = '{test_message_uncertain}' WHERE external_id = 'completed';

SELECT is(v.state, e.state, format('signup_status: a signup that is %s is %s', e.name, e.state))
  FROM (VALUES ('ready', 'running'), ('scheduled', 'running'), ('running', 'running'), ('lease ran out', 'running'),
               ('completed', 'completed'), ('failed', 'failed'), ('cancelled', 'cancelled')) AS e (name, state)
  JOIN embark.signup_status AS v ON v.external_id = e.name;
SELECT is((SELECT step FROM embark.signup_status WHERE external_id = 'scheduled'), 'subscribe_app',
    'the step of a running signup is its job''s');
SELECT is((SELECT step FROM embark.signup_status WHERE external_id = 'failed'), 'register_phone',
    'the step of a failed signup is the one that failed');
SELECT is((SELECT step FROM embark.signup_status WHERE external_id = 'completed'), NULL, 'a completed signup is at no step');
SELECT is(
    (SELECT to_jsonb(v) - '{id,created_at,updated_at}'::text[] FROM embark.signup_status AS v WHERE external_id = 'failed'),
    '{"external_id": "failed", "flow": "cloud_api", "state": "failed", "step": "register_phone", "waiting_on": "operator",
      "error_code": "133005", "error_message": "Two step verification PIN mismatch", "waba_id": "1", "phone_number_id": "2",
      "business_id": "3", "allocation_config_id": null, "test_message_id": null, "test_message_wa_id": null, "warnings": [],
      "generation": 1, "metadata": {"n": 1}}'::jsonb,
    'signup_status says why a signup failed and whose move it is');
SELECT is(
    (SELECT to_jsonb(v) - '{id,created_at,updated_at}'::text[] FROM embark.signup_status AS v WHERE external_id = 'completed'),
    '{"external_id": "completed", "flow": "cloud_api", "state": "completed", "step": null, "waiting_on": null,
      "error_code": null, "error_message": null, "waba_id": "1", "phone_number_id": "2", "business_id": "3",
      "allocation_config_id": "77", "test_message_id": "wamid.1", "test_message_wa_id": "16505551234",
      "warnings": ["test_message_uncertain"], "generation": 1, "metadata": {"n": 1}}'::jsonb,
    'signup_status says what a completed signup has got');
SELECT is((SELECT updated_at FROM embark.signup_status WHERE external_id = 'failed'), '2026-05-01 00:00:00+00',
    'without attempts a signup was updated when its row was');
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, error_code, error_message)
SELECT id, a.generation, 'subscribe_app', 1, 'retry', a.at, a.at, a.code, a.message
  FROM test.standing,
       (VALUES (1, '2100-05-02 00:00:00+00'::timestamptz, '2', 'Service temporarily unavailable'),
               (1, '2100-05-01 00:00:00+00', '1', 'Unknown error'),
               (1, '2100-05-03 00:00:00+00', NULL, NULL)) AS a (generation, at, code, message)
 WHERE name IN ('ready', 'failed');
SELECT is((SELECT updated_at FROM embark.signup_status WHERE external_id = 'failed'), '2100-05-03 00:00:00+00',
    'a later attempt is when it was updated');

SELECT is(v.state, e.state, format('job_list: the job of a signup that is %s is %s', e.name, e.state))
  FROM (VALUES ('ready', 'ready'), ('scheduled', 'scheduled'), ('running', 'running'),
               -- Whoever held it is gone: it may be claimed.
               ('lease ran out', 'ready'), ('failed', 'failed')) AS e (name, state)
  JOIN embark.job_list AS v ON v.external_id = e.name;
SELECT is((SELECT count(*)::integer FROM embark.job_list), 5, 'job_list has one row a job and a failed signup, and no other');
SELECT is(
    (SELECT to_jsonb(v) - 'signup_id' - 'due_at' || jsonb_build_object('due', v.due_at = '2100-01-02')
       FROM embark.job_list AS v WHERE external_id = 'running'),
    '{"external_id": "running", "step": "exchange_code", "state": "running", "due": true, "attempt": 1, "worker_id": 5,
      "last_error_code": null, "last_error_message": null, "last_error_at": null}'::jsonb,
    'a running job says who runs it and until when');
SELECT is(
    (SELECT concat_ws(' | ', last_error_code, last_error_message, last_error_at AT TIME ZONE 'UTC')
       FROM embark.job_list WHERE external_id = 'ready'),
    '2 | Service temporarily unavailable | 2100-05-02 00:00:00',
    'a job shows the last error of its signup, older ones and successes aside');
UPDATE embark.signups SET generation = 2 WHERE external_id = 'ready';
SELECT is((SELECT last_error_code FROM embark.job_list WHERE external_id = 'ready'), NULL,
    'a job shows no error of an earlier generation');
SELECT is(
    (SELECT concat_ws(' | ', step, last_error_code, last_error_message) FROM embark.job_list WHERE external_id = 'failed'),
    'register_phone | 133005 | Two step verification PIN mismatch', 'a failed signup shows the error that it failed with');

SELECT * FROM finish();
ROLLBACK;
