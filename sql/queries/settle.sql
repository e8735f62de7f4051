-- Records what became of leased jobs and moves their signups on: one statement, one row of each array a job.
--
-- A job whose lease is gone moves nothing; its attempt is recorded as stale. What cannot be had again, a token, an
-- allocation's or a message's id, is kept all the same where there is none yet. Returns the ids of the signups that moved.
--   the job        $1 bigint[] signup id   $2 bigint[] lease id   $3 text[] step   $4 integer[] attempt
--   the attempt    $5 text[] verdict   $6 double precision[] seconds that it took   $7 integer[] HTTP status
--                  $8 text[] error code   $9 text[] error message   $10 text[] fbtrace id
--   what comes     $11 text[] next: step, again, completed, failed   $12 text[] the next step
--                  $13 double precision[] seconds until it is due   $14 double precision[] seconds until it is given up
--                  $15 boolean[] whether this execution counts   $16 text[] waiting on   $17 text[] warning
--                  $18 text[] error code of the signup   $19 text[] error message of the signup
--   what was learnt  $20 text[] sealed token   $21 double precision[] its seconds to live   $22 text[] account
--                  $23 text[] number   $24 text[] allocation   $25 text[] message   $26 text[] message's WhatsApp id
--   $27 bigint worker id
WITH settled AS MATERIALIZED (
    SELECT i.signup_id, i.lease_id, i.step, i.attempt, i.verdict, i.seconds, i.http_status, i.error_code,
           i.error_message, i.fbtrace_id, i.next, i.next_step, i.delay_seconds, i.horizon_seconds, i.counts,
           i.waiting_on, i.warning, i.signup_error_code, i.signup_error_message, i.sealed_token,
           i.token_seconds, i.waba_id, i.phone_number_id, i.allocation_config_id, i.test_message_id,
           i.test_message_wa_id
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::double precision[],
                  $7::integer[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                  $13::double precision[], $14::double precision[], $15::boolean[], $16::text[], $17::text[],
                  $18::text[], $19::text[], $20::text[], $21::double precision[], $22::text[], $23::text[],
                  $24::text[], $25::text[], $26::text[])
           AS i (signup_id, lease_id, step, attempt, verdict, seconds, http_status, error_code, error_message, fbtrace_id,
                 next, next_step, delay_seconds, horizon_seconds, counts, waiting_on, warning,
                 signup_error_code, signup_error_message, sealed_token, token_seconds, waba_id,
                 phone_number_id, allocation_config_id, test_message_id, test_message_wa_id)
), went_on AS (
    UPDATE embark.jobs AS j
       SET step = CASE i.next WHEN 'step' THEN i.next_step ELSE j.step END,
           lane = CASE WHEN i.next = 'again' THEN j.lane ELSE 5 END,
           attempt = CASE WHEN i.next = 'step' THEN 0 WHEN i.counts THEN j.attempt ELSE greatest(j.attempt - 1, 0) END,
           due_at = clock_timestamp() + i.delay_seconds * interval '1 second',
           give_up_at = CASE i.next WHEN 'step' THEN clock_timestamp() + i.horizon_seconds * interval '1 second'
                                    ELSE j.give_up_at END,
           lease_id = NULL, worker_id = NULL, sent = false
      FROM settled AS i
     WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND i.next IN ('step', 'again')
    RETURNING j.signup_id
), ended AS (
    DELETE FROM embark.jobs AS j
     USING settled AS i
     WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND i.next IN ('completed', 'failed')
    RETURNING j.signup_id
), moved AS (
    SELECT signup_id FROM went_on UNION ALL SELECT signup_id FROM ended
), signup AS (
    UPDATE embark.signups AS s
       SET state = CASE WHEN e.signup_id IS NULL THEN s.state ELSE i.next::embark.signup_state END,
           failed_step = CASE WHEN e.signup_id IS NOT NULL AND i.next = 'failed' THEN i.step ELSE s.failed_step END,
           waiting_on = CASE WHEN e.signup_id IS NOT NULL AND i.next = 'failed' THEN i.waiting_on::embark.party
                             ELSE s.waiting_on END,
           error_code = CASE WHEN e.signup_id IS NOT NULL AND i.next = 'failed' THEN i.signup_error_code
                             ELSE s.error_code END,
           error_message = CASE WHEN e.signup_id IS NOT NULL AND i.next = 'failed' THEN i.signup_error_message
                                ELSE s.error_message END,
           warnings = CASE WHEN m.signup_id IS NOT NULL AND i.warning IS NOT NULL AND i.warning <> ALL (s.warnings)
                           THEN s.warnings || i.warning ELSE s.warnings END,
           waba_id = coalesce(s.waba_id, i.waba_id),
           phone_number_id = coalesce(s.phone_number_id, i.phone_number_id),
           allocation_config_id = coalesce(s.allocation_config_id, i.allocation_config_id),
           test_message_id = coalesce(s.test_message_id, i.test_message_id),
           test_message_wa_id = coalesce(s.test_message_wa_id, i.test_message_wa_id),
           token_expires_at = coalesce(clock_timestamp() + i.token_seconds * interval '1 second', s.token_expires_at),
           updated_at = clock_timestamp()
      FROM settled AS i
      LEFT JOIN moved AS m ON m.signup_id = i.signup_id
      LEFT JOIN ended AS e ON e.signup_id = i.signup_id
     WHERE s.id = i.signup_id
       AND (e.signup_id IS NOT NULL OR i.warning IS NOT NULL OR i.token_seconds IS NOT NULL
            OR num_nonnulls(i.waba_id, i.phone_number_id, i.allocation_config_id,
                            i.test_message_id, i.test_message_wa_id) > 0)
    RETURNING s.id
), secret AS (
    -- The code goes when it has been exchanged or has died: with the token, or with the end at that step. A late token does
    -- not take the code of a renewal with it.
    UPDATE embark.secrets AS x
       SET sealed_token = CASE WHEN m.signup_id IS NULL THEN coalesce(x.sealed_token, i.sealed_token)
                               ELSE coalesce(i.sealed_token, x.sealed_token) END,
           code = CASE WHEN m.signup_id IS NULL THEN x.code ELSE NULL END
      FROM settled AS i
      LEFT JOIN moved AS m ON m.signup_id = i.signup_id
      LEFT JOIN ended AS e ON e.signup_id = i.signup_id
     WHERE x.signup_id = i.signup_id
       AND (i.sealed_token IS NOT NULL OR (e.signup_id IS NOT NULL AND i.step = 'exchange_code'))
    RETURNING x.signup_id
), share AS (
    UPDATE embark.credit_shares AS h
       SET allocation_config_id = coalesce(h.allocation_config_id, i.allocation_config_id)
      FROM settled AS i
     WHERE i.allocation_config_id IS NOT NULL AND h.signup_id = i.signup_id
    RETURNING h.waba_id
), outcome AS (
    INSERT INTO embark.outcomes (signup_id, generation, type, error_code, waiting_on)
    SELECT s.id, s.generation, ('signup.' || i.next)::embark.outcome_type,
           CASE WHEN i.next = 'failed' THEN i.signup_error_code END,
           CASE WHEN i.next = 'failed' THEN i.waiting_on::embark.party END
      FROM ended AS e
      JOIN settled AS i ON i.signup_id = e.signup_id
      JOIN embark.signups AS s ON s.id = e.signup_id
    RETURNING id
), attempt AS (
    INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                                 http_status, error_code, error_message, fbtrace_id)
    SELECT i.signup_id, s.generation, i.step, i.attempt,
           CASE WHEN m.signup_id IS NULL THEN 'stale' ELSE i.verdict END,
           clock_timestamp() - i.seconds * interval '1 second', clock_timestamp(), $27, i.lease_id,
           i.http_status::smallint, i.error_code, i.error_message, i.fbtrace_id
      FROM settled AS i
      JOIN embark.signups AS s ON s.id = i.signup_id
      LEFT JOIN moved AS m ON m.signup_id = i.signup_id
    RETURNING signup_id
)
SELECT m.signup_id FROM moved AS m
