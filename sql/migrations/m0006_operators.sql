-- What operators change: each by a function that locks the signup, says no in words, and leaves a row in the audit.

-- Set by a replay until the first call to register: that one is an operator's, not one of Embark's own four in 72 hours.
ALTER TABLE embark.jobs
    ADD COLUMN by_operator boolean NOT NULL DEFAULT false;

-- As in m0002, with a hint for those who name a signup by its id.
CREATE OR REPLACE FUNCTION embark.raise_refusal(refusal text, detail text) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = left(refusal, 5),
        MESSAGE = substr(refusal, 7),
        DETAIL = detail,
        HINT = CASE
            WHEN refusal LIKE 'P0002 signup_id %' THEN 'Look for it with "embark signup list".'
            WHEN refusal LIKE '23505 %' THEN
                'Send the same content again to get the id of the first signup, or choose another external_id.'
                || ' For a customer who went through the popup again call embark.renew_signup.'
            WHEN refusal LIKE '22023 %' THEN 'Correct the field and send it again.'
            WHEN refusal LIKE 'P0002 %' THEN
                'A signup that was enqueued without an external_id can only be replayed, by an operator.'
            ELSE 'See the view embark.signup_status, or "embark signup list".' END,
        SCHEMA = 'embark',
        COLUMN = split_part(split_part(refusal, ' ', 2), '.', 1);
END
$$;

-- The first rule about who acts and why that a call breaks, or NULL. Both are kept for ever, so both have a bound.
CREATE FUNCTION embark.audit_refusal(actor text, reason text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
SELECT CASE
    WHEN char_length(actor) NOT BETWEEN 1 AND 255 OR actor ~ '[\x01-\x1f\x7f-\x9f\u2028\u2029]' THEN
        '22023 actor must be 1 to 255 characters without control characters'
    WHEN char_length(reason) > 2000 THEN
        '22023 reason must be at most 2000 characters'
END
$$;

-- A failed signup goes on from the step at which it failed, or from an earlier one, as a new generation. History stays, the
-- calls that count against a number's quota stay, the attempts of the step begin anew.
CREATE FUNCTION embark.replay(
    signup_id bigint,
    from_step text DEFAULT NULL, -- the step at which it failed
    new_code  text DEFAULT NULL,
    new_pin   text DEFAULT NULL,
    actor     text DEFAULT session_user,
    reason    text DEFAULT ''
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup     record;
    first_step text;
    refusal    text;
BEGIN
    -- The same rules for a code and a PIN as when they are enqueued, by the same function, under the names of here; what a
    -- replay cannot change is given values that pass.
    refusal := CASE WHEN signup_id IS NULL THEN '22023 signup_id is required'
        ELSE coalesce(
            regexp_replace(
                embark.signup_refusal(
                    coalesce(new_code, 'none'), NULL, NULL, NULL, NULL, NULL, 'api_access_only', new_pin, NULL, NULL,
                    now(), NULL, NULL, NULL, '{}', 'tech-provider', '{}', true),
                '^22023 (code|pin) ', '22023 new_\1 '),
            embark.audit_refusal(actor, reason)) END;
    IF refusal IS NULL THEN
        -- Locked: of two operators the second one finds the signup running.
        SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.error_code, s.generation, s.business_id INTO signup
          FROM embark.signups AS s
         WHERE s.id = replay.signup_id
           FOR UPDATE;
        first_step := coalesce(from_step, signup.failed_step, signup.plan[1]);
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.state = 'running' THEN
                '55000 signup_id is that of a signup that runs already: wait until it ends'
            WHEN signup.state <> 'failed' THEN
                '55000 signup_id is that of a signup that is ' || signup.state || ': only one that failed can be replayed'
            WHEN array_position(signup.plan, first_step) IS NULL THEN
                '22023 from_step must be a step of the signup''s plan: ' || array_to_string(signup.plan, ', ')
            WHEN array_position(signup.plan, first_step) > array_position(signup.plan, signup.failed_step) THEN
                '22023 from_step must not be later than the step at which the signup failed, ' || signup.failed_step
            WHEN signup.error_code = 'effect_uncertain' THEN
                '55000 signup_id is that of a signup whose last call may have had its effect: find out, and resolve it first'
                || ' with embark.resolve'
            -- The token can be recovered without a code where the customer's business is known.
            WHEN first_step = 'exchange_code' AND new_code IS NULL AND signup.business_id IS NULL THEN
                '55000 new_code is required from exchange_code, for a code works once: the customer goes through the popup'
                || ' again'
            WHEN first_step <> 'exchange_code' AND new_code IS NOT NULL THEN
                '22023 new_code is of no use behind exchange_code: give from_step => ''exchange_code'' as well'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;

    UPDATE embark.signups AS s
       SET state = 'running', generation = s.generation + 1,
           failed_step = NULL, waiting_on = NULL, error_code = NULL, error_message = NULL,
           code_issued_at = CASE WHEN new_code IS NULL THEN s.code_issued_at ELSE now() END,
           updated_at = clock_timestamp()
     WHERE s.id = signup.id;
    IF new_code IS NOT NULL OR new_pin IS NOT NULL THEN
        UPDATE embark.secrets AS x
           SET code = coalesce(new_code, x.code),
               pin = coalesce(new_pin, x.pin),
               -- The first worker that touches the signup seals the new one.
               sealed_pin = CASE WHEN new_pin IS NULL THEN x.sealed_pin END
         WHERE x.signup_id = signup.id;
    END IF;
    INSERT INTO embark.jobs (signup_id, step, lane, due_at, give_up_at, by_operator)
    VALUES (signup.id, first_step,
            CASE first_step WHEN 'exchange_code' THEN 0 ELSE 5 END,
            clock_timestamp(),
            CASE WHEN new_code IS NOT NULL THEN now() + interval '30 s' END,
            true);
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'replay', signup.id, coalesce(reason, ''),
            jsonb_build_object('from_step', first_step, 'failed_step', signup.failed_step,
                               'error_code', signup.error_code, 'generation', signup.generation + 1,
                               'new_code', new_code IS NOT NULL, 'new_pin', new_pin IS NOT NULL));
    PERFORM embark.wake_workers();
    RETURN signup.generation + 1;
END
$$;
COMMENT ON FUNCTION embark.replay IS
    'Lets a failed signup go on from the step at which it failed, or from an earlier one, in the caller''s transaction; '
    'returns its new generation. Errors: 22023 bad input, P0002 no such signup, 55000 not failed, or it cannot work.';

-- An operator has found out whether the call of which nothing could tell had its effect. It had: the step is done, and the
-- signup goes on behind it. It had not: the step runs again. For a test message only the warning is set right.
CREATE FUNCTION embark.resolve(
    signup_id       bigint,
    effect_happened boolean,
    actor           text DEFAULT session_user,
    reason          text DEFAULT ''
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup     record;
    next_step  text;
    result     text;
    refusal    text;
BEGIN
    refusal := CASE
        WHEN signup_id IS NULL THEN '22023 signup_id is required'
        WHEN effect_happened IS NULL THEN '22023 effect_happened is required: true or false'
        ELSE embark.audit_refusal(actor, reason) END;
    IF refusal IS NULL THEN
        SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.error_code, s.generation, s.warnings, s.waba_id
          INTO signup
          FROM embark.signups AS s
         WHERE s.id = resolve.signup_id
           FOR UPDATE;
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.state = 'completed' AND 'test_message_uncertain' = ANY (signup.warnings) THEN NULL
            WHEN signup.state <> 'failed' OR signup.error_code <> 'effect_uncertain' THEN
                '55000 signup_id is that of a signup of which nothing is uncertain'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;

    IF signup.state = 'completed' THEN
        UPDATE embark.signups AS s
           SET warnings = CASE WHEN effect_happened THEN array_remove(s.warnings, 'test_message_uncertain')
                               ELSE array_replace(s.warnings, 'test_message_uncertain', 'test_message_failed') END,
               updated_at = clock_timestamp()
         WHERE s.id = signup.id;
        result := 'completed';
    ELSE
        next_step := CASE WHEN effect_happened THEN signup.plan[array_position(signup.plan, signup.failed_step) + 1]
                          ELSE signup.failed_step END;
        result := coalesce(next_step, 'completed');
        IF NOT effect_happened AND signup.failed_step = 'share_credit_line' THEN
            -- Known not to have happened: the posts so far do not count any more.
            UPDATE embark.credit_shares AS h SET posts = 0, attachments = 0
             WHERE h.waba_id = signup.waba_id AND h.signup_id = signup.id;
        END IF;
        UPDATE embark.signups AS s
           SET state = CASE WHEN next_step IS NULL THEN 'completed' ELSE 'running' END::embark.signup_state,
               generation = s.generation + 1,
               failed_step = NULL, waiting_on = NULL, error_code = NULL, error_message = NULL,
               updated_at = clock_timestamp()
         WHERE s.id = signup.id;
        IF next_step IS NULL THEN
            INSERT INTO embark.outcomes (signup_id, generation, type)
            VALUES (signup.id, signup.generation + 1, 'signup.completed');
        ELSE
            INSERT INTO embark.jobs (signup_id, step, lane, due_at, by_operator)
            VALUES (signup.id, next_step, 5, clock_timestamp(), true);
            PERFORM embark.wake_workers();
        END IF;
    END IF;
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'resolve', signup.id, coalesce(reason, ''),
            jsonb_build_object('effect_happened', effect_happened, 'failed_step', signup.failed_step, 'goes_on_at', result));
    RETURN result;
END
$$;
COMMENT ON FUNCTION embark.resolve IS
    'Says whether the effect happened of which nothing could tell, in the caller''s transaction; the signup goes on behind '
    'the step, or runs it again. Returns the step, or completed. Errors: 22023, P0002, 55000 nothing is uncertain.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT EXECUTE ON FUNCTION embark.replay, embark.resolve TO embark_operator;
