-- What rests, who may say so, and what an operator may mend in a failed signup.

-- Whether our own credentials were refused: then a person has to renew them, and the pause is no limit of Meta's.
ALTER TABLE embark.throttles
    ADD COLUMN credentials boolean NOT NULL DEFAULT false,
    -- Whether Graph or a person said how long. Where nobody did, a limit that is hit again at once rests twice as long.
    ADD COLUMN named       boolean NOT NULL DEFAULT true;
-- What has ended is deleted, oldest first.
CREATE INDEX throttles_until ON embark.throttles (until);

-- Pages behind the last summary would be read whole by each look for old rows.
ALTER INDEX embark.attempts_finished_at SET (autosummarize = on);

-- Tokens that are about to end, for doctor and the metrics.
CREATE INDEX signups_token_expires_at ON embark.signups (token_expires_at) WHERE token_expires_at IS NOT NULL;

-- The first rule about a scope that a call breaks, or NULL.
CREATE FUNCTION embark.scope_refusal(scope text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
SELECT CASE
    WHEN scope IS NULL THEN '22023 scope is required'
    WHEN scope !~ '^(app|system|credit|(waba|phone):[0-9]{1,32})$' THEN
        '22023 scope must be app, system, credit, waba:ID or phone:ID'
END
$$;

-- Nothing of the scope is called before that time, by any worker. A pause that is longer already stays as it is.
CREATE FUNCTION embark.pause(
    scope  text,
    until  timestamptz,
    actor  text DEFAULT session_user,
    reason text DEFAULT ''
) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    refusal text;
    ends_at timestamptz;
BEGIN
    refusal := coalesce(
        embark.scope_refusal(scope),
        CASE WHEN until IS NULL THEN '22023 until is required'
             WHEN until <= clock_timestamp() THEN '22023 until must lie in the future'
             WHEN until > clock_timestamp() + interval '1 year' THEN '22023 until must be within a year' END,
        embark.audit_refusal(actor, reason));
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    INSERT INTO embark.throttles AS t (scope, until, reason)
    VALUES (pause.scope, pause.until, 'paused by ' || coalesce(actor, session_user) || ': ' || coalesce(pause.reason, ''))
        ON CONFLICT ON CONSTRAINT throttles_pkey DO UPDATE
       SET reason = CASE WHEN excluded.until > t.until THEN excluded.reason ELSE t.reason END,
           set_at = CASE WHEN t.until < clock_timestamp() THEN excluded.set_at ELSE t.set_at END,
           credentials = t.credentials AND t.until > clock_timestamp(),
           named = true,
           until = greatest(t.until, excluded.until)
    RETURNING t.until INTO ends_at;
    INSERT INTO embark.audit (actor, action, scope, reason, detail)
    VALUES (coalesce(actor, session_user), 'pause', pause.scope, coalesce(pause.reason, ''), jsonb_build_object('until', ends_at));
    PERFORM pg_notify('embark_throttles', pause.scope);
    RETURN ends_at;
END
$$;
COMMENT ON FUNCTION embark.pause IS
    'Keeps all workers from calling Graph for app, system, credit, waba:ID or phone:ID until that time, in the caller''s '
    'transaction; returns when the pause ends, which is later where a longer one is on. Errors: 22023 bad input.';

-- Ends a pause, and lets what was put off because of it go on at once. Returns whether there was one.
CREATE FUNCTION embark.resume(
    scope  text,
    actor  text DEFAULT session_user,
    reason text DEFAULT ''
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    refusal text;
    was_on  boolean;
    asset   text := split_part(resume.scope, ':', 2);
BEGIN
    refusal := coalesce(embark.scope_refusal(scope), embark.audit_refusal(actor, reason));
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    -- The row stays, ended: what is doubled when a limit is hit again at once is its length.
    UPDATE embark.throttles AS t SET until = clock_timestamp()
     WHERE t.scope = resume.scope AND t.until > clock_timestamp();
    was_on := FOUND;
    UPDATE embark.jobs AS j
       SET due_at = clock_timestamp(),
           -- The horizon had moved on by the whole pause; the part that did not happen is taken back.
           give_up_at = CASE WHEN j.step = 'exchange_code' OR NOT isfinite(j.due_at) THEN j.give_up_at
                             ELSE j.give_up_at - (j.due_at - clock_timestamp()) END
      FROM embark.signups AS s
     WHERE s.id = j.signup_id AND j.lease_id IS NULL AND j.due_at > clock_timestamp()
       -- A backoff of its own is none of the pause's: it would cost a register call, or a number's patience.
       AND (SELECT a.verdict FROM embark.attempts AS a WHERE a.signup_id = j.signup_id
             ORDER BY a.finished_at DESC LIMIT 1) = 'throttle'
       AND CASE split_part(resume.scope, ':', 1)
               WHEN 'app' THEN true
               WHEN 'system' THEN j.step IN ('exchange_code', 'assign_system_user', 'share_credit_line')
               WHEN 'credit' THEN j.step = 'share_credit_line'
               WHEN 'waba' THEN s.waba_id = asset
               ELSE s.phone_number_id = asset END;
    INSERT INTO embark.audit (actor, action, scope, reason, detail)
    VALUES (coalesce(actor, session_user), 'resume', resume.scope, coalesce(resume.reason, ''), jsonb_build_object('was_paused', was_on));
    PERFORM pg_notify('embark_throttles', resume.scope);
    PERFORM embark.wake_workers();
    RETURN was_on;
END
$$;
COMMENT ON FUNCTION embark.resume IS
    'Ends the pause of a scope in the caller''s transaction; returns whether there was one. Errors: 22023 bad input.';

-- Sets what upstream had wrong or had left out, on a failed signup. It does not replay it.
CREATE FUNCTION embark.mend(
    signup_id       bigint,
    phone_number_id text DEFAULT NULL,
    currency        text DEFAULT NULL,
    actor           text DEFAULT session_user,
    reason          text DEFAULT ''
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    signup  record;
    our     record;
    refusal text;
BEGIN
    SELECT i.currencies INTO our FROM embark.installation AS i;
    -- The same rules as when they are enqueued, by the same function; what cannot be mended is given values that pass.
    refusal := CASE
        WHEN signup_id IS NULL THEN '22023 signup_id is required'
        WHEN num_nonnulls(phone_number_id, currency) = 0 THEN '22023 phone_number_id or currency is required'
        ELSE coalesce(
            embark.signup_refusal(
                'none', NULL, phone_number_id, NULL, currency, NULL, 'api_access_only', NULL, NULL, NULL,
                now(), NULL, NULL, NULL, '{}', CASE WHEN currency IS NULL THEN 'tech-provider' ELSE 'solution-partner' END,
                our.currencies, true),
            embark.audit_refusal(actor, reason)) END;
    IF refusal IS NULL THEN
        SELECT s.id, s.state::text AS state, s.plan, s.failed_step, s.phone_number_id, s.currency,
               s.allocation_config_id INTO signup
          FROM embark.signups AS s
         WHERE s.id = mend.signup_id
           FOR UPDATE;
        refusal := CASE
            WHEN signup.id IS NULL THEN
                'P0002 signup_id is not that of any signup'
            WHEN signup.state <> 'failed' THEN
                '55000 signup_id is that of a signup that is ' || signup.state || ': only one that failed can be mended'
            WHEN currency IS NOT NULL AND 'share_credit_line' = ANY (signup.plan)
                AND (signup.allocation_config_id IS NOT NULL
                     OR array_position(signup.plan, signup.failed_step)
                        > array_position(signup.plan, 'share_credit_line')) THEN
                '55000 currency cannot be changed any more: the credit line is shared, and Meta attaches it once'
            WHEN phone_number_id IS NOT NULL AND 'register_phone' = ANY (signup.plan)
                AND array_position(signup.plan, signup.failed_step) > array_position(signup.plan, 'register_phone') THEN
                '55000 phone_number_id cannot be changed any more: the number is registered'
        END;
    END IF;
    IF refusal IS NOT NULL THEN
        PERFORM embark.raise_refusal(refusal, 'Nothing was changed.');
    END IF;
    UPDATE embark.signups AS s
       SET phone_number_id = coalesce(mend.phone_number_id, s.phone_number_id),
           currency = coalesce(mend.currency, s.currency),
           updated_at = clock_timestamp()
     WHERE s.id = signup.id;
    INSERT INTO embark.audit (actor, action, signup_id, reason, detail)
    VALUES (coalesce(actor, session_user), 'mend', signup.id, coalesce(reason, ''),
            jsonb_strip_nulls(jsonb_build_object(
                'phone_number_id', mend.phone_number_id, 'currency', mend.currency,
                'phone_number_id_before', CASE WHEN mend.phone_number_id IS NOT NULL THEN signup.phone_number_id END,
                'currency_before', CASE WHEN mend.currency IS NOT NULL THEN signup.currency END)));
END
$$;
COMMENT ON FUNCTION embark.mend IS
    'Sets the number or the currency of a failed signup, in the caller''s transaction; replay it then. Errors: 22023 bad '
    'input, P0002 no such signup, 55000 not failed, or too late.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
-- A call to register that provably never left is taken back.
GRANT DELETE ON embark.register_calls TO embark_worker;
GRANT EXECUTE ON FUNCTION embark.pause, embark.resume, embark.mend TO embark_operator;
