-- The plan of each kind of signup: every flow, partner mode, system user or not, grants verified or not, phone number known or
-- not, test recipient or not. What is expected is written by hand; a program that computed it would repeat the mistake.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

-- NULL stands for either. No plan: the signup is refused, because it asks for what no number could be found for.
CREATE TABLE test.plans (
    flow text, solution boolean, system_user boolean, verified boolean, phone boolean, message boolean, plan text);
INSERT INTO test.plans VALUES
    -- flow             solution system  verified phone message
    ('cloud_api',       true,    true,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app assign_system_user share_credit_line register_phone'),
    ('cloud_api',       true,    true,   true,    NULL,  true,
        'exchange_code verify_grant subscribe_app assign_system_user share_credit_line register_phone send_test_message'),
    ('cloud_api',       true,    true,   false,   true,  false,
        'exchange_code subscribe_app assign_system_user share_credit_line register_phone'),
    ('cloud_api',       true,    true,   false,   true,  true,
        'exchange_code subscribe_app assign_system_user share_credit_line register_phone send_test_message'),
    ('cloud_api',       true,    true,   false,   false, false,
        'exchange_code subscribe_app assign_system_user share_credit_line'),
    ('cloud_api',       true,    false,  true,    NULL,  false,
        'exchange_code verify_grant subscribe_app share_credit_line register_phone'),
    ('cloud_api',       true,    false,  true,    NULL,  true,
        'exchange_code verify_grant subscribe_app share_credit_line register_phone send_test_message'),
    ('cloud_api',       true,    false,  false,   true,  false,
        'exchange_code subscribe_app share_credit_line register_phone'),
    ('cloud_api',       true,    false,  false,   true,  true,
        'exchange_code subscribe_app share_credit_line register_phone send_test_message'),
    ('cloud_api',       true,    false,  false,   false, false,
        'exchange_code subscribe_app share_credit_line'),
    ('cloud_api',       false,   NULL,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app register_phone'),
    ('cloud_api',       false,   NULL,   true,    NULL,  true,
        'exchange_code verify_grant subscribe_app register_phone send_test_message'),
    ('cloud_api',       false,   NULL,   false,   true,  false,
        'exchange_code subscribe_app register_phone'),
    ('cloud_api',       false,   NULL,   false,   true,  true,
        'exchange_code subscribe_app register_phone send_test_message'),
    ('cloud_api',       false,   NULL,   false,   false, false,
        'exchange_code subscribe_app'),
    ('cloud_api',       NULL,    NULL,   false,   false, true,  NULL),

    ('only_waba',       true,    true,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app assign_system_user share_credit_line'),
    ('only_waba',       true,    true,   false,   NULL,  false,
        'exchange_code subscribe_app assign_system_user share_credit_line'),
    ('only_waba',       true,    false,  true,    NULL,  false,
        'exchange_code verify_grant subscribe_app share_credit_line'),
    ('only_waba',       true,    false,  false,   NULL,  false,
        'exchange_code subscribe_app share_credit_line'),
    ('only_waba',       false,   NULL,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app'),
    ('only_waba',       false,   NULL,   false,   NULL,  false,
        'exchange_code subscribe_app'),
    ('only_waba',       NULL,    NULL,   NULL,    NULL,  true,  NULL),

    ('coexistence',     true,    true,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app assign_system_user share_credit_line sync_contacts sync_history'),
    ('coexistence',     true,    true,   true,    NULL,  true,
        'exchange_code verify_grant subscribe_app assign_system_user share_credit_line sync_contacts sync_history send_test_message'),
    ('coexistence',     true,    true,   false,   true,  false,
        'exchange_code subscribe_app assign_system_user share_credit_line sync_contacts sync_history'),
    ('coexistence',     true,    true,   false,   true,  true,
        'exchange_code subscribe_app assign_system_user share_credit_line sync_contacts sync_history send_test_message'),
    ('coexistence',     true,    false,  true,    NULL,  false,
        'exchange_code verify_grant subscribe_app share_credit_line sync_contacts sync_history'),
    ('coexistence',     true,    false,  true,    NULL,  true,
        'exchange_code verify_grant subscribe_app share_credit_line sync_contacts sync_history send_test_message'),
    ('coexistence',     true,    false,  false,   true,  false,
        'exchange_code subscribe_app share_credit_line sync_contacts sync_history'),
    ('coexistence',     true,    false,  false,   true,  true,
        'exchange_code subscribe_app share_credit_line sync_contacts sync_history send_test_message'),
    ('coexistence',     false,   NULL,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app sync_contacts sync_history'),
    ('coexistence',     false,   NULL,   true,    NULL,  true,
        'exchange_code verify_grant subscribe_app sync_contacts sync_history send_test_message'),
    ('coexistence',     false,   NULL,   false,   true,  false,
        'exchange_code subscribe_app sync_contacts sync_history'),
    ('coexistence',     false,   NULL,   false,   true,  true,
        'exchange_code subscribe_app sync_contacts sync_history send_test_message'),
    -- The syncs need the number, and no step would find it.
    ('coexistence',     NULL,    NULL,   false,   false, NULL,  NULL),

    ('api_access_only', NULL,    NULL,   true,    NULL,  false,
        'exchange_code verify_grant subscribe_app'),
    ('api_access_only', NULL,    NULL,   false,   NULL,  false,
        'exchange_code subscribe_app'),
    ('api_access_only', NULL,    NULL,   NULL,    NULL,  true,  NULL);

CREATE TABLE test.kinds AS
SELECT f.flow, m.solution, u.system_user, v.verified, p.phone, r.message
  FROM unnest(ARRAY['cloud_api', 'only_waba', 'coexistence', 'api_access_only']) AS f (flow),
       unnest(ARRAY[true, false]) AS m (solution), unnest(ARRAY[true, false]) AS u (system_user),
       unnest(ARRAY[true, false]) AS v (verified), unnest(ARRAY[true, false]) AS p (phone),
       unnest(ARRAY[true, false]) AS r (message);

SELECT plan(130);

SELECT is(
    (SELECT count(*)::integer FROM test.kinds), 128, 'every kind of signup is tried');
SELECT is_empty(
    $$SELECT k.flow, k.solution, k.system_user, k.verified, k.phone, k.message FROM test.kinds AS k
       WHERE 1 <> (SELECT count(*) FROM test.plans AS p
                    WHERE p.flow = k.flow AND coalesce(p.solution, k.solution) = k.solution
                      AND coalesce(p.system_user, k.system_user) = k.system_user
                      AND coalesce(p.verified, k.verified) = k.verified
                      AND coalesce(p.phone, k.phone) = k.phone AND coalesce(p.message, k.message) = k.message)$$,
    'exactly one line of the table above speaks of each kind');

CREATE FUNCTION test.run_plans() RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
    kind   record;
    signup bigint;
    fields jsonb;
BEGIN
    FOR kind IN
        SELECT k.*, p.plan
          FROM test.kinds AS k
          JOIN test.plans AS p
            ON p.flow = k.flow AND coalesce(p.solution, k.solution) = k.solution
           AND coalesce(p.system_user, k.system_user) = k.system_user AND coalesce(p.verified, k.verified) = k.verified
           AND coalesce(p.phone, k.phone) = k.phone AND coalesce(p.message, k.message) = k.message
         ORDER BY k.flow, k.solution DESC, k.system_user DESC, k.verified DESC, k.phone DESC, k.message
    LOOP
        PERFORM test.install(concat_ws(', ', CASE WHEN NOT kind.solution THEN 'tech-provider' END,
            CASE WHEN NOT kind.system_user THEN 'no system user' END, CASE WHEN NOT kind.verified THEN 'no verify' END));
        fields := jsonb_build_object('code', 'c', 'waba_id', '102290129340398', 'currency', 'USD', 'flow', kind.flow,
            'phone_number_id', CASE WHEN kind.phone THEN '106540352242922' END,
            'test_recipient', CASE WHEN kind.message THEN '+16505551234' END);
        signup := NULL;
        BEGIN
            signup := test.enqueue('the function', fields);
        EXCEPTION WHEN invalid_parameter_value THEN
            NULL;
        END;
        RETURN NEXT is(
            (SELECT array_to_string(s.plan, ' ') FROM embark.signups AS s WHERE s.id = signup), kind.plan,
            format('%s of a %s %s system user, grants %s verified, number %s, message %s: %s', kind.flow,
                CASE WHEN kind.solution THEN 'solution partner' ELSE 'tech provider' END,
                CASE WHEN kind.system_user THEN 'with a' ELSE 'without a' END,
                CASE WHEN kind.verified THEN 'are' ELSE 'are not' END,
                CASE WHEN kind.phone THEN 'known' ELSE 'unknown' END,
                CASE WHEN kind.message THEN 'wanted' ELSE 'not wanted' END,
                CASE WHEN kind.plan IS NULL THEN 'refused' ELSE 'the plan is as written' END));
    END LOOP;
END
$$;
SELECT test.run_plans();

SELECT * FROM finish();
ROLLBACK;
