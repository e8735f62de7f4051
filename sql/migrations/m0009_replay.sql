-- What operators need besides: replays that many may press at once and that say no beforehand, a step that is skipped, a
-- signup that is given up, and a credit line whose sharing signup has ended.

-- A replay by filter pages through the failed signups of one step and code, oldest first.
-- Texts from elsewhere are cut: an index entry has a third of a page at most, and a signup has to fail however long they are.
CREATE INDEX signups_failed_step ON embark.signups (left(failed_step, 100), left(error_code, 100), updated_at, id)
    WHERE state = 'failed';

-- The first rule that a replay of this signup would break, or NULL, as embark.raise_refusal takes it: a preview and the replay
-- itself say the same.
CREATE FUNCTION embark.replay_refusal(
    signup_id           bigint,
    from_step           text    DEFAULT NULL, -- the step at which it failed
    has_code            boolean DEFAULT false,
    phone_number_id     text    DEFAULT NULL, -- one that is to be mended first
    expected_generation integer DEFAULT NULL  -- as whoever asks has seen it
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    -- RegisterQuota.max: with the tenth call in 72 hours Meta blocks the number.
    calls_max CONSTANT integer := 9;
    signup     record;
    first_step text;
    refusal    text;
    free_at    timestamptz;
BEGIN
    SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.error_code, s.generation, s.business_id, s.phone_number_id
      INTO signup
      FROM embark.signups AS s
     WHERE s.id = replay_refusal.signup_id;
    first_step := coalesce(from_step, signup.failed_step, signup.plan[1]);
    refusal := CASE
        WHEN signup.id IS NULL THEN
            'P0002 signup_id is not that of any signup'
        WHEN signup.generation <> expected_generation THEN
            '55000 signup_id is that of a signup that somebody else has replayed meanwhile: it is ' || signup.state
            || ', at generation ' || signup.generation || '. See "embark why"'
        WHEN signup.state = 'running' THEN
            '55000 signup_id is that of a signup that runs already: wait until it ends'
        WHEN signup.state <> 'failed' THEN
            '55000 signup_id is that of a signup that is ' || signup.state || ': only one that failed can be replayed'
        WHEN array_position(signup.plan, first_step) IS NULL THEN
            '22023 from_step must be a step of the signup''s plan: ' || array_to_string(signup.plan, ', ')
        WHEN array_position(signup.plan, first_step) > array_position(signup.plan, signup.failed_step) THEN
            '22023 from_step must not be later than the step at which the signup failed, ' || signup.failed_step
            || ': to leave that one out, skip it'
        WHEN signup.error_code = 'effect_uncertain' THEN
            '55000 signup_id is that of a signup whose last call may have had its effect: find out, and resolve it first'
            || ' with embark.resolve'
        -- The token can be recovered without a code where the customer's business is known and our system user may ask for it.
        WHEN first_step = 'exchange_code' AND NOT has_code AND NOT (
            signup.business_id IS NOT NULL
            AND EXISTS (SELECT FROM embark.installation AS i WHERE i.partner_mode = 'solution-partner')) THEN
            '55000 new_code is required from exchange_code, for a code works once'
            || CASE WHEN signup.business_id IS NOT NULL THEN
                   ' and only a solution partner''s system user can recover its token' ELSE '' END
            || ': the customer goes through the popup again'
        WHEN first_step <> 'exchange_code' AND has_code THEN
            '22023 new_code is of no use behind exchange_code: give from_step => ''exchange_code'' as well'
    END;
    -- From an earlier step it may run: what is left for a call is seen to when its turn comes.
    IF refusal IS NULL AND first_step = 'register_phone' THEN
        -- The call that has to be 72 hours old before there may be another.
        SELECT r.called_at + interval '72 hours' INTO free_at
          FROM embark.register_calls AS r
         WHERE r.phone_number_id = coalesce(replay_refusal.phone_number_id, signup.phone_number_id)
           AND r.called_at > (SELECT clock_timestamp()) - interval '72 hours'
         ORDER BY r.called_at DESC
        OFFSET calls_max - 1 LIMIT 1;
        IF free_at IS NOT NULL THEN
            refusal := '55000 signup_id is that of a signup whose number has had ' || calls_max
                || ' register calls in 72 hours, and a tenth would block it: replay it after '
                || to_char(date_trunc('minute', free_at + interval '1 minute') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
                || CASE WHEN signup.failed_step = 'register_phone' THEN ' UTC, or skip the step if the number is connected'
                        ELSE ' UTC, or from ' || signup.failed_step || ', at which it failed' END;
        END IF;
    END IF;
    RETURN refusal;
END
$$;
COMMENT ON FUNCTION embark.replay_refusal IS
    'Why embark.replay would refuse, as SQLSTATE, field and rule, or NULL; it changes and locks nothing.';

-- As in m0006, with what a preview says beforehand, the register quota, and the generation that whoever replays has seen: of
-- ten who read the same failure one replays it, even when it fails again before the second one's call arrives.
DROP FUNCTION embark.replay(bigint, text, text, text, text, text);
CREATE FUNCTION embark.replay(
    signup_id           bigint,
    from_step           text    DEFAULT NULL, -- the step at which it failed
    new_code            text    DEFAULT NULL,
    new_pin             text    DEFAULT NULL,
    actor               text    DEFAULT session_user,
    reason              text    DEFAULT '',
    expected_generation integer DEFAULT NULL  -- any
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
        -- Locked first and judged behind the lock: of two operators the second one sees what the first one wrote.
        SELECT s.id, s.plan, s.failed_step, s.error_code, s.generation INTO signup
          FROM embark.signups AS s
         WHERE s.id = replay.signup_id
           FOR UPDATE;
        refusal := embark.replay_refusal(
            signup_id, from_step, new_code IS NOT NULL, expected_generation => expected_generation);
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    first_step := coalesce(from_step, signup.failed_step, signup.plan[1]);

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

-- A failed signup, which the caller has locked, goes on at a step as a new generation; at NULL it is complete. Returns the
-- step, or completed.
CREATE FUNCTION embark.go_on(signup_id bigint, next_step text) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    UPDATE embark.signups AS s
       SET state = CASE WHEN next_step IS NULL THEN 'completed' ELSE 'running' END::embark.signup_state,
           generation = s.generation + 1,
           failed_step = NULL, waiting_on = NULL, error_code = NULL, error_message = NULL,
           updated_at = clock_timestamp()
     WHERE s.id = go_on.signup_id;
    IF next_step IS NULL THEN
        INSERT INTO embark.outcomes (signup_id, generation, type)
        SELECT s.id, s.generation, 'signup.completed' FROM embark.signups AS s WHERE s.id = go_on.signup_id;
    ELSE
        INSERT INTO embark.jobs (signup_id, step, lane, due_at, by_operator)
        VALUES (go_on.signup_id, next_step, 5, clock_timestamp(), true);
        PERFORM embark.wake_workers();
    END IF;
    RETURN coalesce(next_step, 'completed');
END
$$;

-- As in m0006, with the generation that whoever resolves has seen; and for a signup that another one of the same account keeps
-- from sharing the credit line: when that one has ended and the line is not there, this one takes the share over.
DROP FUNCTION embark.resolve(bigint, boolean, text, text);
CREATE FUNCTION embark.resolve(
    signup_id           bigint,
    effect_happened     boolean,
    actor               text    DEFAULT session_user,
    reason              text    DEFAULT '',
    expected_generation integer DEFAULT NULL -- any
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    -- Longer than the lease of a share: a call that somebody has begun has ended by then, and can be seen.
    calls_settle CONSTANT interval := interval '2 minutes';
    signup     record;
    share      record;
    owner      record;
    takes_over boolean;
    result     text;
    refusal    text;
BEGIN
    refusal := CASE
        WHEN signup_id IS NULL THEN '22023 signup_id is required'
        WHEN effect_happened IS NULL THEN '22023 effect_happened is required: true or false'
        ELSE embark.audit_refusal(actor, reason) END;
    IF refusal IS NULL THEN
        SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.error_code, s.warnings, s.waba_id, s.generation
          INTO signup
          FROM embark.signups AS s
         WHERE s.id = resolve.signup_id
           FOR UPDATE;
        -- The account's row, locked: no worker posts for it meanwhile. Its signup is read behind that lock.
        SELECT h.signup_id, h.sent_at INTO share
          FROM embark.credit_shares AS h
         WHERE h.waba_id = signup.waba_id AND signup.failed_step = 'share_credit_line'
           FOR UPDATE;
        SELECT o.id, o.state::text AS state, o.error_code INTO owner
          FROM embark.signups AS o
         WHERE o.id = share.signup_id AND o.id <> signup.id;
        takes_over := NOT effect_happened AND coalesce(signup.error_code = 'credit_share_elsewhere', false);
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.generation <> expected_generation THEN
                '55000 signup_id is that of a signup that somebody else has replayed meanwhile: it is ' || signup.state
                || ', at generation ' || signup.generation || '. See "embark why"'
            WHEN signup.state = 'completed' AND 'test_message_uncertain' = ANY (signup.warnings) THEN NULL
            WHEN signup.state <> 'failed'
                OR coalesce(signup.error_code, '') NOT IN ('effect_uncertain', 'credit_share_elsewhere') THEN
                '55000 signup_id is that of a signup of which nothing is uncertain'
            WHEN takes_over AND owner.state = 'running' THEN
                '55000 signup_id is that of a signup whose account shares the credit line with signup ' || owner.id
                || ', which runs: wait until that one ends'
            WHEN takes_over AND owner.state = 'failed' AND owner.error_code = 'effect_uncertain' THEN
                '55000 signup_id is that of a signup whose account shares the credit line with signup ' || owner.id
                || ', of which nothing could tell whether it did: resolve ' || owner.id || ' first'
            -- Whatever became of its signup: a call that has left cannot be called back.
            WHEN takes_over AND share.signup_id <> signup.id
                AND share.sent_at > (SELECT clock_timestamp()) - calls_settle THEN
                '55000 signup_id is that of a signup whose account shares the credit line with signup ' || share.signup_id
                || ', whose call may still be on its way: look again, and resolve it after '
                || to_char(date_trunc('second', share.sent_at + calls_settle + interval '1 second') AT TIME ZONE 'UTC',
                           'YYYY-MM-DD HH24:MI:SS') || ' UTC'
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
        IF NOT effect_happened AND signup.failed_step = 'share_credit_line' THEN
            -- Known not to have happened: the posts so far do not count any more, nor does an allocation that is gone.
            UPDATE embark.credit_shares AS h
               SET signup_id = signup.id, posts = 0, attachments = 0,
                   allocation_config_id = CASE WHEN h.signup_id = signup.id THEN h.allocation_config_id END
             WHERE h.waba_id = signup.waba_id AND (h.signup_id = signup.id OR takes_over);
        END IF;
        result := embark.go_on(
            signup.id,
            CASE WHEN effect_happened THEN signup.plan[array_position(signup.plan, signup.failed_step) + 1]
                 ELSE signup.failed_step END);
    END IF;
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'resolve', signup.id, coalesce(reason, ''),
            jsonb_build_object('effect_happened', effect_happened, 'failed_step', signup.failed_step, 'goes_on_at', result)
            || CASE WHEN takes_over THEN jsonb_build_object('share_taken_over_from', share.signup_id) ELSE '{}' END);
    RETURN result;
END
$$;
COMMENT ON FUNCTION embark.resolve IS
    'Says whether the effect happened of which nothing could tell, in the caller''s transaction; the signup goes on behind '
    'the step, or runs it again, with another signup''s credit share that has come to nothing if need be. Returns the step, '
    'or completed. Errors: 22023, P0002, 55000 nothing is uncertain, or the other''s call may still have its effect.';

-- The step at which a signup failed is left out, by an operator's word that it is done otherwise or not needed.
CREATE FUNCTION embark.skip(
    signup_id           bigint,
    actor               text    DEFAULT session_user,
    reason              text    DEFAULT '',
    expected_generation integer DEFAULT NULL -- any
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup  record;
    place   integer;
    result  text;
    refusal text;
BEGIN
    refusal := CASE WHEN signup_id IS NULL THEN '22023 signup_id is required' ELSE embark.audit_refusal(actor, reason) END;
    IF refusal IS NULL THEN
        SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.error_code, s.generation, s.waba_id, s.phone_number_id
          INTO signup
          FROM embark.signups AS s
         WHERE s.id = skip.signup_id
           FOR UPDATE;
        place := array_position(signup.plan, signup.failed_step);
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.generation <> expected_generation THEN
                '55000 signup_id is that of a signup that somebody else has replayed meanwhile: it is ' || signup.state
                || ', at generation ' || signup.generation || '. See "embark why"'
            WHEN signup.state = 'running' THEN
                '55000 signup_id is that of a signup that runs: only the step at which one has failed can be skipped. Wait'
                || ' until it ends, or cancel it'
            WHEN signup.state <> 'failed' THEN
                '55000 signup_id is that of a signup that is ' || signup.state || ': there is no step left to skip'
            WHEN place IS NULL THEN
                '55000 signup_id is that of a signup that failed at a step that its plan does not have: cancel it'
            WHEN signup.error_code = 'effect_uncertain' THEN
                '55000 signup_id is that of a signup whose last call may have had its effect: find out, and resolve it with'
                || ' embark.resolve, which goes on behind the step if it had'
            WHEN signup.failed_step = 'exchange_code' THEN
                '55000 signup_id is that of a signup that failed at exchange_code, without which there is no token for any step'
                || ' behind it: replay it with a new code, or cancel it'
            WHEN signup.failed_step = 'verify_grant' AND signup.waba_id IS NULL THEN
                '55000 signup_id is that of a signup whose account only verify_grant can find: replay it, or cancel it'
            WHEN signup.failed_step = 'verify_grant' AND signup.phone_number_id IS NULL
                AND signup.plan && '{register_phone,sync_contacts,sync_history,send_test_message}' THEN
                '55000 signup_id is that of a signup whose number only verify_grant can find: name it with embark.mend first'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    result := embark.go_on(signup.id, signup.plan[place + 1]);
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'skip', signup.id, coalesce(reason, ''),
            jsonb_build_object('failed_step', signup.failed_step, 'error_code', signup.error_code,
                               'generation', signup.generation + 1, 'goes_on_at', result));
    RETURN result;
END
$$;
COMMENT ON FUNCTION embark.skip IS
    'Leaves out the step at which a signup failed, in the caller''s transaction; the signup goes on behind it as a new '
    'generation. Returns the step, or completed. Errors: 22023, P0002, 55000 not failed, or what follows needs the step.';

-- Ends a signup for good. A call that is on its way meanwhile settles nothing: its job is gone, and what it tells is kept.
CREATE FUNCTION embark.cancel(
    signup_id bigint,
    actor     text DEFAULT session_user,
    reason    text DEFAULT ''
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup   record;
    job_step text;
    stood_at text;
    refusal  text;
BEGIN
    refusal := CASE WHEN signup_id IS NULL THEN '22023 signup_id is required' ELSE embark.audit_refusal(actor, reason) END;
    IF refusal IS NULL THEN
        -- The job before the signup, as a worker that settles locks them; the other way round the two could meet.
        DELETE FROM embark.jobs AS j WHERE j.signup_id = cancel.signup_id RETURNING j.step INTO job_step;
        SELECT s.id, s.state::text AS state, s.failed_step, s.error_code, s.generation INTO signup
          FROM embark.signups AS s
         WHERE s.id = cancel.signup_id
           FOR UPDATE;
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.state NOT IN ('running', 'failed') THEN
                '55000 signup_id is that of a signup that is ' || signup.state || ' already: there is nothing to end'
            -- Made between the two locks. It must not outlive the signup, and it is too late to wait for it here.
            WHEN EXISTS (SELECT FROM embark.jobs AS j WHERE j.signup_id = cancel.signup_id) THEN
                '55000 signup_id is that of a signup that has been replayed at this very moment: cancel it again'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    stood_at := coalesce(job_step, signup.failed_step);
    UPDATE embark.signups AS s
       SET state = 'cancelled', failed_step = NULL, waiting_on = NULL, error_code = NULL, error_message = NULL,
           updated_at = clock_timestamp()
     WHERE s.id = signup.id;
    -- Nothing runs for it any more: of what was handed in in plain text nothing is needed.
    UPDATE embark.secrets AS x SET code = NULL, pin = NULL, verify_token = NULL WHERE x.signup_id = signup.id;
    INSERT INTO embark.outcomes (signup_id, generation, type)
    VALUES (signup.id, signup.generation, 'signup.cancelled');
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'cancel', signup.id, coalesce(reason, ''),
            jsonb_build_object('state', signup.state, 'step', stood_at, 'error_code', signup.error_code,
                               'generation', signup.generation));
    RETURN stood_at;
END
$$;
COMMENT ON FUNCTION embark.cancel IS
    'Ends a running or failed signup for good, in the caller''s transaction, and erases its code; what Meta has been told '
    'stays told. Returns the step at which it stood. Errors: 22023, P0002, 55000 it has ended.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT EXECUTE ON FUNCTION embark.replay, embark.replay_refusal, embark.resolve, embark.skip, embark.cancel TO embark_operator;
