-- What comes out: the status of each signup, the queue as people see it, the stream of outcomes, the sealed token.

CREATE VIEW embark.signup_status AS
SELECT s.id,
       s.external_id,
       s.flow::text AS flow,
       s.state::text AS state,
       coalesce(j.step, s.failed_step) AS step,
       s.waiting_on::text AS waiting_on,
       s.error_code,
       s.error_message,
       s.waba_id,
       s.phone_number_id,
       s.business_id,
       s.allocation_config_id,
       s.test_message_id,
       s.test_message_wa_id,
       s.warnings,
       s.generation,
       s.created_at,
       -- A step that goes on writes an attempt and leaves the signup's row alone.
       greatest(s.updated_at, (SELECT max(a.finished_at) FROM embark.attempts AS a WHERE a.signup_id = s.id)) AS updated_at,
       s.metadata
  FROM embark.signups AS s
  LEFT JOIN embark.jobs AS j ON j.signup_id = s.id;
COMMENT ON VIEW embark.signup_status IS 'Where each signup stands. No secrets.';

CREATE VIEW embark.job_list AS
SELECT j.signup_id,
       s.external_id,
       j.step,
       CASE WHEN j.due_at <= clock_timestamp() THEN 'ready'
            WHEN j.lease_id IS NOT NULL THEN 'running'
            ELSE 'scheduled' END AS state,
       j.due_at,
       j.attempt,
       j.worker_id,
       e.error_code AS last_error_code,
       e.error_message AS last_error_message,
       e.finished_at AS last_error_at
  FROM embark.jobs AS j
  LEFT JOIN embark.signups AS s ON s.id = j.signup_id
  LEFT JOIN LATERAL (
       SELECT a.error_code, a.error_message, a.finished_at
         FROM embark.attempts AS a
        WHERE a.signup_id = j.signup_id AND a.generation = s.generation AND a.error_code IS NOT NULL
        ORDER BY a.finished_at DESC LIMIT 1) AS e ON true
 UNION ALL
SELECT s.id, s.external_id, s.failed_step, 'failed', NULL, NULL, NULL, s.error_code, s.error_message, s.updated_at
  FROM embark.signups AS s
 WHERE s.state = 'failed';
COMMENT ON VIEW embark.job_list IS
    'Every job: ready, scheduled (due_at says when) or running (due_at is the end of its lease), and the failed signups.';

-- Pages by seq, which is given to committed rows only: one that was seen stays behind the cursor, one that commits late gets
-- a later number.
CREATE FUNCTION embark.outcomes_since(cursor bigint DEFAULT 0, max integer DEFAULT 1000)
RETURNS TABLE (seq bigint, signup_id bigint, external_id text, generation integer, type text, error_code text,
               waiting_on text, at timestamptz, metadata jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
SELECT o.seq, o.signup_id, s.external_id, o.generation, o.type::text, o.error_code, o.waiting_on::text, o.at, s.metadata
  FROM embark.outcomes AS o
  JOIN embark.signups AS s ON s.id = o.signup_id
 WHERE o.seq > coalesce(outcomes_since.cursor, 0)
 ORDER BY o.seq
 LIMIT greatest(0, least(outcomes_since.max, 10000))
$$;
COMMENT ON FUNCTION embark.outcomes_since IS
    'The outcomes behind a cursor, oldest first, at most 10,000 a call: start at 0, then pass the last seq that you stored. '
    'LISTEN embark_outcomes hints at when to read.';

-- Numbers what has committed; one process at a time, a bounded number a call. Returns how many.
CREATE FUNCTION embark.number_outcomes(max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    numbered integer;
BEGIN
    -- Whoever does not get the lock leaves the work to the one who holds it. 1 is this lock's number within Embark.
    IF NOT pg_try_advisory_xact_lock(hashtext('embark'), 1) THEN
        RETURN 0;
    END IF;
    WITH fresh AS (
        SELECT o.id, row_number() OVER (ORDER BY o.id) AS place
          FROM embark.outcomes AS o
         WHERE o.seq IS NULL
         ORDER BY o.id
         LIMIT number_outcomes.max
    )
    UPDATE embark.outcomes AS o
       SET seq = fresh.place + (SELECT coalesce(pg_catalog.max(l.seq), 0) FROM embark.outcomes AS l)
      FROM fresh
     WHERE o.id = fresh.id;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    IF numbered > 0 THEN
        PERFORM pg_notify('embark_outcomes', '');
    END IF;
    RETURN numbered;
END
$$;

CREATE FUNCTION embark.credential(signup_id bigint) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
SELECT x.sealed_token FROM embark.secrets AS x WHERE x.signup_id = credential.signup_id
$$;
COMMENT ON FUNCTION embark.credential IS
    'The business token of a signup as a compact JWE (RFC 7516, dir, A256GCM), NULL while there is none.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT SELECT ON embark.signup_status TO embark_upstream, embark_operator, embark_reader;
GRANT EXECUTE ON FUNCTION embark.outcomes_since TO embark_upstream, embark_operator, embark_reader;
GRANT EXECUTE ON FUNCTION embark.credential TO embark_token_reader;
GRANT EXECUTE ON FUNCTION embark.number_outcomes TO embark_worker;

-- Operators and readers see all but the secrets; what operators may change, they change through functions.
GRANT USAGE ON SCHEMA embark TO embark_operator, embark_reader, embark_token_reader, embark_worker;
GRANT SELECT ON embark.job_list, embark.installation, embark.signups, embark.jobs, embark.attempts, embark.outcomes,
                embark.throttles, embark.register_calls, embark.credit_shares, embark.workers, embark.audit
   TO embark_operator, embark_reader, embark_worker;
GRANT SELECT ON embark.signup_status TO embark_worker;

-- A worker moves signups on. It makes none, deletes none, and does not touch the audit or the installation.
GRANT UPDATE ON embark.signups TO embark_worker;
GRANT SELECT, UPDATE ON embark.secrets TO embark_worker;
GRANT INSERT, UPDATE, DELETE ON embark.jobs, embark.throttles, embark.workers, embark.credit_shares TO embark_worker;
GRANT INSERT, DELETE ON embark.attempts TO embark_worker;
GRANT INSERT ON embark.outcomes, embark.register_calls TO embark_worker;
