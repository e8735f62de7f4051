-- How a signup enters: embark.enqueue_signup, and embark.renew_signup for a customer who came back.
--
-- Every rule about the input stands in embark.signup_refusal and is applied before any table is touched: a constraint that
-- fails would write the row, and the code in it, into the server's log. A refusal names the field and the rule and
-- never the value. It carries the field once more in the error's COLUMN and 'embark' in its SCHEMA, for programs.

-- The first rule that a signup breaks, as '22023 field must …', or NULL. One expression without subqueries, so that it is
-- inlined where it is called. Absent values are NULL; what has a default has it already. Lengths are compared as numbers:
-- '^[0-9]{1,32}$' takes ten times as long as '[^0-9]'.
CREATE FUNCTION embark.signup_refusal(
    code text, waba_id text, phone_number_id text, business_id text, currency text, external_id text, flow text, pin text,
    test_recipient text, test_message text, code_issued_at timestamptz, redirect_uri text, data_localization_region text,
    webhook_override jsonb, metadata jsonb,
    -- what the installation says
    partner_mode text, currencies text[], verify_grant boolean
) RETURNS text LANGUAGE sql VOLATILE PARALLEL SAFE AS
$$
SELECT CASE
    WHEN partner_mode IS NULL THEN
        '55000 installation has no row yet: run "embark configure" once'
    WHEN code IS NULL THEN
        '22023 code is required'
    WHEN octet_length(code) NOT BETWEEN 1 AND 2048 OR code ~ '[^ -~]' THEN
        '22023 code must be 1 to 2048 printable ASCII characters'
    WHEN flow NOT IN ('cloud_api', 'only_waba', 'coexistence', 'api_access_only') THEN
        '22023 flow must be one of cloud_api, only_waba, coexistence, api_access_only'
    WHEN octet_length(waba_id) NOT BETWEEN 1 AND 32 OR waba_id ~ '[^0-9]' THEN
        '22023 waba_id must be 1 to 32 ASCII digits'
    WHEN waba_id IS NULL AND NOT verify_grant THEN
        '22023 waba_id is required while the installation does not verify grants (embark configure --verify-grant)'
    WHEN octet_length(phone_number_id) NOT BETWEEN 1 AND 32 OR phone_number_id ~ '[^0-9]' THEN
        '22023 phone_number_id must be 1 to 32 ASCII digits'
    WHEN octet_length(business_id) NOT BETWEEN 1 AND 32 OR business_id ~ '[^0-9]' THEN
        '22023 business_id must be 1 to 32 ASCII digits'
    WHEN currency IS NULL AND partner_mode = 'solution-partner' AND flow <> 'api_access_only' THEN
        '22023 currency is required: a solution partner shares its credit line in it'
    WHEN currency IS NOT NULL AND currency <> ALL (currencies) THEN
        '22023 currency must be one that the installation allows: ' || array_to_string(currencies, ' ')
    WHEN external_id IS NOT NULL
        AND (char_length(external_id) NOT BETWEEN 1 AND 255 OR external_id ~ '[\x01-\x1f\x7f-\x9f\u2028\u2029]') THEN
        '22023 external_id must be 1 to 255 characters without control characters'
    WHEN pin !~ '^[0-9]{6}$' THEN
        '22023 pin must be six ASCII digits'
    WHEN test_recipient !~ '^\+[1-9][0-9]{6,14}$' THEN
        '22023 test_recipient must be a number in E.164 form: + and 7 to 15 digits, the first not 0'
    WHEN test_recipient IS NOT NULL AND flow IN ('only_waba', 'api_access_only') THEN
        '22023 test_recipient must be absent in this flow: it has no number to send from'
    WHEN test_recipient IS NOT NULL AND phone_number_id IS NULL AND NOT verify_grant THEN
        '22023 phone_number_id is required for a test message while the installation does not verify grants'
    WHEN flow = 'coexistence' AND phone_number_id IS NULL AND NOT verify_grant THEN
        '22023 phone_number_id is required in this flow while the installation does not verify grants'
    WHEN char_length(test_message) NOT BETWEEN 1 AND 4096 THEN
        '22023 test_message must be 1 to 4096 characters'
    WHEN NOT isfinite(code_issued_at) OR code_issued_at > clock_timestamp() + interval '5 minutes' THEN
        '22023 code_issued_at must be a finite time, at most 5 minutes ahead of the database''s clock'
    WHEN redirect_uri IS NOT NULL AND (octet_length(redirect_uri) > 2048 OR redirect_uri !~ '^[!-~]*$') THEN
        '22023 redirect_uri must be at most 2048 printable ASCII characters without spaces'
    WHEN data_localization_region
        NOT IN ('AU', 'ID', 'IN', 'JP', 'SG', 'KR', 'DE', 'CH', 'GB', 'BR', 'BH', 'ZA', 'AE', 'CA') THEN
        '22023 data_localization_region must be one of AU ID IN JP SG KR DE CH GB BR BH ZA AE CA'
    WHEN jsonb_typeof(webhook_override) <> 'object' THEN
        '22023 webhook_override must be a JSON object'
    WHEN webhook_override - '{override_callback_uri,verify_token}'::text[] <> '{}' THEN
        '22023 webhook_override must hold override_callback_uri and verify_token and nothing else'
    WHEN webhook_override IS NOT NULL
        AND (jsonb_typeof(webhook_override -> 'override_callback_uri') IS DISTINCT FROM 'string'
            OR char_length(webhook_override ->> 'override_callback_uri') > 200
            OR webhook_override ->> 'override_callback_uri' !~ '^https://[!-~]+$') THEN
        '22023 webhook_override.override_callback_uri must be an https URL of at most 200 ASCII characters'
    WHEN webhook_override IS NOT NULL
        AND (jsonb_typeof(webhook_override -> 'verify_token') IS DISTINCT FROM 'string'
            OR char_length(webhook_override ->> 'verify_token') NOT BETWEEN 1 AND 1024) THEN
        '22023 webhook_override.verify_token must be a string of 1 to 1024 characters'
    WHEN jsonb_typeof(metadata) <> 'object' THEN
        '22023 metadata must be a JSON object'
    WHEN octet_length(metadata::text) > 16384 THEN
        '22023 metadata must be at most 16 KiB as text'
END
$$;

-- The ordered steps of a signup: pure data, derived once from its flow and the installation and kept on the signup, so that
-- a later change of the installation never alters a signup that runs. One expression, to be inlined.
CREATE FUNCTION embark.plan_steps(
    flow text, phone_is_known boolean, message_is_wanted boolean,
    partner_mode text, has_system_user boolean, verify_grant boolean
) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
SELECT '{exchange_code}'::text[]
    || CASE WHEN verify_grant THEN '{verify_grant,subscribe_app}' ELSE '{subscribe_app}'::text[] END
    || CASE WHEN partner_mode = 'solution-partner' AND flow <> 'api_access_only' THEN
           CASE WHEN has_system_user THEN '{assign_system_user,share_credit_line}' ELSE '{share_credit_line}'::text[] END
       END
    || CASE WHEN flow = 'cloud_api' AND (phone_is_known OR verify_grant) THEN '{register_phone}'::text[]
            WHEN flow = 'coexistence' THEN '{sync_contacts,sync_history}'::text[]
       END
    || CASE WHEN message_is_wanted THEN '{send_test_message}'::text[] END
$$;

-- Checks and enqueues one signup: its public facts, its secrets and its first job. Returns the id, or NULL after it has
-- left the refusal in the setting embark.refusal, because the inbox may not raise at once. Granted to nobody; it runs
-- with the rights and the search_path of its two callers.
--
-- What is worked out for a row is assigned to a variable first: an assignment is compiled once a transaction, and an
-- expression inside an INSERT again for each row.
CREATE FUNCTION embark.accept_signup(
    code text, waba_id text, phone_number_id text, business_id text, currency text, external_id text, flow text, pin text,
    test_recipient text, test_message text, code_issued_at timestamptz, redirect_uri text, data_localization_region text,
    webhook_override jsonb, metadata jsonb
) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    our          record;
    refusal      text;
    content      bytea;
    plan         text[];
    checked_flow embark.flow;
    callback_uri text := webhook_override ->> 'override_callback_uri';
    verify_token text := webhook_override ->> 'verify_token';
    give_up_at   timestamptz;
    new_id       bigint;
    known        record;
BEGIN
    flow := coalesce(flow, 'cloud_api');
    metadata := coalesce(metadata, '{}');
    test_message := coalesce(test_message, 'Message received, loud and clear!');
    code_issued_at := coalesce(code_issued_at, now());
    SELECT i.partner_mode, i.currencies, i.verify_grant, i.system_user_id IS NOT NULL AS has_system_user
      INTO our FROM embark.installation AS i;

    refusal := embark.signup_refusal(
        code, waba_id, phone_number_id, business_id, currency, external_id, flow, pin, test_recipient, test_message,
        code_issued_at, redirect_uri, data_localization_region, webhook_override, metadata,
        our.partner_mode, our.currencies, our.verify_grant);
    IF refusal IS NOT NULL THEN
        PERFORM set_config('embark.refusal', refusal, true);
        RETURN NULL;
    END IF;

    -- A clock that runs ahead must not lengthen the life of a code.
    code_issued_at := least(code_issued_at, clock_timestamp());
    IF test_recipient IS NULL THEN
        test_message := NULL;
    END IF;
    IF external_id IS NOT NULL THEN
        -- Unambiguous: only the last field can hold a control character, and it is NULL exactly when the recipient is.
        content := sha256(convert_to(array_to_string(ARRAY[
            code, waba_id, phone_number_id, business_id, currency, external_id, flow, pin, redirect_uri,
            data_localization_region, webhook_override::text, metadata::text, test_recipient, test_message
        ], E'\x01', E'\x02'), 'UTF8'));
    END IF;

    plan := embark.plan_steps(flow, phone_number_id IS NOT NULL, test_recipient IS NOT NULL,
                              our.partner_mode, our.has_system_user, our.verify_grant);
    checked_flow := flow::embark.flow;
    give_up_at := code_issued_at + interval '30 s';

    INSERT INTO embark.signups AS s (
        external_id, flow, plan, waba_id, phone_number_id, business_id, currency, test_recipient, test_message,
        code_issued_at, redirect_uri, data_localization_region, override_callback_uri, metadata)
    VALUES (
        external_id, checked_flow, plan, waba_id, phone_number_id, business_id, currency, test_recipient, test_message,
        code_issued_at, redirect_uri, data_localization_region, callback_uri, metadata)
    ON CONFLICT ON CONSTRAINT signups_external_id_key DO NOTHING
    RETURNING s.id INTO new_id;

    IF new_id IS NULL THEN
        SELECT s.id, x.content_sha256 INTO known
          FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id
         WHERE s.external_id = accept_signup.external_id;
        IF known.content_sha256 IS DISTINCT FROM content THEN
            PERFORM set_config('embark.refusal',
                '23505 external_id is already in use by a signup with other content', true);
            RETURN NULL;
        END IF;
        RETURN known.id;
    END IF;

    -- One statement for both: each one that PL/pgSQL runs costs some microseconds of its own.
    WITH secret AS (
        INSERT INTO embark.secrets (signup_id, code, pin, verify_token, content_sha256)
        VALUES (new_id, code, pin, verify_token, content)
    )
    INSERT INTO embark.jobs (signup_id, step, lane, due_at, give_up_at)
    VALUES (new_id, 'exchange_code', 0, clock_timestamp(), give_up_at);
    RETURN new_id;
END
$$;

-- Raises a refusal, written 'SQLSTATE field rule'. The detail says what became of the statement.
CREATE FUNCTION embark.raise_refusal(refusal text, detail text) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = left(refusal, 5),
        MESSAGE = substr(refusal, 7),
        DETAIL = detail,
        HINT = CASE left(refusal, 5)
            WHEN '23505' THEN 'Send the same content again to get the id of the first signup, or choose another external_id.'
                || ' For a customer who went through the popup again call embark.renew_signup.'
            WHEN '22023' THEN 'Correct the field and send it again.'
            WHEN 'P0002' THEN 'A signup that was enqueued without an external_id can only be replayed, by an operator.'
            ELSE 'See the view embark.signup_status, or "embark signup list".' END,
        SCHEMA = 'embark',
        COLUMN = split_part(split_part(refusal, ' ', 2), '.', 1);
END
$$;

-- NOTIFY takes a lock on the whole database until its transaction has been flushed, so it is sent only when somebody
-- sleeps. A worker that falls asleep meanwhile finds the job with the poll that it never leaves out.
CREATE FUNCTION embark.wake_workers() RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    IF EXISTS (SELECT FROM embark.workers AS w WHERE w.sleeping) THEN
        PERFORM pg_notify('embark_jobs', '');
    END IF;
END
$$;

CREATE FUNCTION embark.enqueue_signup(
    code                     text,
    waba_id                  text        DEFAULT NULL,
    phone_number_id          text        DEFAULT NULL,
    business_id              text        DEFAULT NULL,
    currency                 text        DEFAULT NULL,
    external_id              text        DEFAULT NULL,
    flow                     text        DEFAULT 'cloud_api',
    pin                      text        DEFAULT NULL,
    test_recipient           text        DEFAULT NULL,
    test_message             text        DEFAULT 'Message received, loud and clear!',
    code_issued_at           timestamptz DEFAULT now(),
    redirect_uri             text        DEFAULT NULL,
    data_localization_region text        DEFAULT NULL,
    webhook_override         jsonb       DEFAULT NULL,
    metadata                 jsonb       DEFAULT '{}'
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup_id bigint;
BEGIN
    signup_id := embark.accept_signup(
        code, waba_id, phone_number_id, business_id, currency, external_id, flow, pin, test_recipient, test_message,
        code_issued_at, redirect_uri, data_localization_region, webhook_override, metadata);
    IF signup_id IS NULL THEN
        PERFORM embark.raise_refusal(current_setting('embark.refusal'), 'Nothing was enqueued.');
    END IF;
    PERFORM embark.wake_workers();
    RETURN signup_id;
END
$$;
COMMENT ON FUNCTION embark.enqueue_signup IS
    'Enqueues one signup in the caller''s transaction and returns its id. The same external_id with the same content '
    'returns the existing id. Errors: 22023 bad input, 23505 external_id used by other content, 55000 not configured.';

-- The customer went through the popup again: a failed signup that waits on the customer goes on with the new code, from
-- the exchange, as a new generation. The same renewal sent twice is one renewal.
CREATE FUNCTION embark.renew_signup(external_id text, code text, pin text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup   record;
    renewal  bytea;
    refusal  text;
BEGIN
    -- The same rules, by the same function; what a renewal cannot change is given values that pass.
    refusal := CASE WHEN external_id IS NULL THEN '22023 external_id is required'
        ELSE embark.signup_refusal(
            code, NULL, NULL, NULL, NULL, external_id, 'api_access_only', pin, NULL, NULL,
            now(), NULL, NULL, NULL, '{}', 'tech-provider', '{}', true) END;
    IF refusal IS NULL THEN
        -- Locked first and read behind the lock: a second caller waits here and then sees what the first one wrote.
        PERFORM FROM embark.signups AS s WHERE s.external_id = renew_signup.external_id FOR UPDATE;
        SELECT s.id, s.state, s.waiting_on, x.renewal_sha256 INTO signup
          FROM embark.signups AS s JOIN embark.secrets AS x ON x.signup_id = s.id
         WHERE s.external_id = renew_signup.external_id;
        renewal := sha256(convert_to(code || E'\x01' || coalesce(pin, ''), 'UTF8'));
        IF signup.renewal_sha256 = renewal THEN
            RETURN signup.id;
        END IF;
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 external_id is not that of any signup: enqueue it with embark.enqueue_signup'
            WHEN signup.state <> 'failed' THEN
                '55000 external_id is that of a signup that is ' || signup.state
                || ': only one that failed and waits on the customer can be renewed'
            WHEN signup.waiting_on IS DISTINCT FROM 'customer' THEN
                '55000 external_id is that of a signup that waits on the operator, who can replay it with the new code'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;

    UPDATE embark.signups AS s
       SET state = 'running', generation = s.generation + 1,
           failed_step = NULL, waiting_on = NULL, error_code = NULL, error_message = NULL,
           code_issued_at = now(), updated_at = clock_timestamp()
     WHERE s.id = signup.id;
    UPDATE embark.secrets AS x
       SET code = renew_signup.code,
           pin = coalesce(renew_signup.pin, x.pin),
           sealed_pin = CASE WHEN renew_signup.pin IS NULL THEN x.sealed_pin END,
           renewal_sha256 = renewal
     WHERE x.signup_id = signup.id;
    INSERT INTO embark.jobs (signup_id, step, lane, due_at, give_up_at)
    VALUES (signup.id, 'exchange_code', 0, clock_timestamp(), now() + interval '30 s');
    INSERT INTO embark.audit (actor, action, signup_id, reason)
    VALUES (session_user, 'renew', signup.id, 'the customer went through the popup again');
    PERFORM embark.wake_workers();
    RETURN signup.id;
END
$$;
COMMENT ON FUNCTION embark.renew_signup IS
    'Lets a failed signup that waits on the customer go on with a new code (and PIN), in the caller''s transaction; returns '
    'its id. Errors: 22023 bad input, P0002 no such signup, 55000 not failed, or not waiting on the customer.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT USAGE ON SCHEMA embark TO embark_upstream;
GRANT EXECUTE ON FUNCTION embark.enqueue_signup, embark.renew_signup TO embark_upstream;
