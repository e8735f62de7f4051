-- Records what became of leased jobs and moves their signups on: one statement, one row of each array a job.
--
-- Returns the signups that moved, with their leases. A job whose lease is gone moves nothing, and nothing is written about it here:
-- record_late does that. No part of the statement joins what another part returned, so that its cost grows with the batch
-- and not with its square, whatever the planner believes.
--
-- The next step may be leased to the same worker at once, under a lease of its own: the signup goes on without a claim. Its
-- row keeps its due time where that is late enough, and gets some seconds more where it is not: an equal key is cheaper in
-- the index.
--   the job        $1 bigint[] signup id   $2 bigint[] lease id   $3 integer[] generation   $4 text[] step   $5 integer[] attempt
--   the attempt    $6 text[] verdict   $7 double precision[] seconds that it took   $8 integer[] HTTP status
--                  $9 text[] error code   $10 text[] error message   $11 text[] fbtrace id
--   what comes     $12 text[] the next step, the same one to run it again, NULL at the end
--                  $13 double precision[] seconds until it is due, or of its lease   $14 double precision[] seconds until it is
--                  given up; for the same step by how many it moves on, which a pause must not use up
--                  $15 boolean[] whether this execution counts   $16 bigint[] the next step's lease, or NULL
--   the end        $17 text[] completed or failed   $18 text[] waiting on   $19 text[] error code of the signup
--                  $20 text[] error message of the signup
--   what was learnt  $21 text[] sealed token   $22 double precision[] its seconds to live   $23 text[] account
--                  $24 text[] number   $25 text[] allocation   $26 text[] message   $27 text[] message's WhatsApp id
--                  $28 text[] warning
--   $29 bigint worker id
WITH result AS MATERIALIZED (
    SELECT i.signup_id, i.lease_id, i.generation, i.step, i.attempt, i.verdict, i.seconds, i.http_status, i.error_code,
           i.error_message, i.fbtrace_id, i.next_step, i.delay_seconds, i.horizon_seconds, i.counts, i.next_lease_id,
           i.end_state, i.waiting_on, i.signup_error_code, i.signup_error_message, i.sealed_token, i.token_seconds,
           i.waba_id, i.phone_number_id, i.allocation_config_id, i.test_message_id, i.test_message_wa_id, i.warning
      FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::double precision[],
                  $8::integer[], $9::text[], $10::text[], $11::text[],
                  $12::text[], $13::double precision[], $14::double precision[], $15::boolean[], $16::bigint[],
                  $17::text[], $18::text[], $19::text[], $20::text[],
                  $21::text[], $22::double precision[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[])
           AS i (signup_id, lease_id, generation, step, attempt, verdict, seconds,
                 http_status, error_code, error_message, fbtrace_id,
                 next_step, delay_seconds, horizon_seconds, counts, next_lease_id,
                 end_state, waiting_on, signup_error_code, signup_error_message,
                 sealed_token, token_seconds, waba_id, phone_number_id, allocation_config_id, test_message_id,
                 test_message_wa_id, warning)
), went_on AS (
    UPDATE embark.jobs AS j
       SET step = i.next_step,
           lane = CASE WHEN i.next_step = i.step THEN j.lane ELSE 5 END,
           attempt = CASE WHEN i.next_lease_id IS NOT NULL THEN 1 WHEN i.next_step <> i.step THEN 0
                          WHEN i.counts THEN j.attempt ELSE greatest(j.attempt - 1, 0) END,
           due_at = CASE WHEN i.next_lease_id IS NULL THEN clock_timestamp() + i.delay_seconds * interval '1 second'
                         WHEN j.due_at >= clock_timestamp() + i.delay_seconds * interval '1 second' THEN j.due_at
                         ELSE clock_timestamp() + (i.delay_seconds + 15) * interval '1 second' END,
           give_up_at = CASE WHEN i.next_step = i.step AND i.horizon_seconds IS NULL THEN j.give_up_at
                             WHEN i.next_step = i.step THEN j.give_up_at + i.horizon_seconds * interval '1 second'
                             ELSE clock_timestamp() + i.horizon_seconds * interval '1 second' END,
           lease_id = i.next_lease_id,
           worker_id = CASE WHEN i.next_lease_id IS NOT NULL THEN $29::bigint END,
           sent = false,
           interrupted = 0
      FROM result AS i
     WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND i.next_step IS NOT NULL
    RETURNING i.signup_id, i.lease_id, i.generation, i.step, i.attempt, i.verdict, i.seconds, i.http_status, i.error_code,
              i.error_message, i.fbtrace_id, i.end_state, i.waiting_on, i.signup_error_code, i.signup_error_message,
              i.sealed_token, i.token_seconds, i.waba_id, i.phone_number_id, i.allocation_config_id, i.test_message_id,
              i.test_message_wa_id, i.warning
), ended AS (
    DELETE FROM embark.jobs AS j
     USING result AS i
     WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND i.next_step IS NULL
    RETURNING i.signup_id, i.lease_id, i.generation, i.step, i.attempt, i.verdict, i.seconds, i.http_status, i.error_code,
              i.error_message, i.fbtrace_id, i.end_state, i.waiting_on, i.signup_error_code, i.signup_error_message,
              i.sealed_token, i.token_seconds, i.waba_id, i.phone_number_id, i.allocation_config_id, i.test_message_id,
              i.test_message_wa_id, i.warning
), moved AS NOT MATERIALIZED (
    -- Read in place by each part below: to keep a third copy of every row would cost more than to read two.
    SELECT w.signup_id, w.lease_id, w.generation, w.step, w.attempt, w.verdict, w.seconds, w.http_status,
           w.error_code, w.error_message, w.fbtrace_id, w.end_state, w.waiting_on, w.signup_error_code,
           w.signup_error_message, w.sealed_token, w.token_seconds, w.waba_id, w.phone_number_id,
           w.allocation_config_id, w.test_message_id, w.test_message_wa_id, w.warning
      FROM went_on AS w
     UNION ALL
    SELECT e.signup_id, e.lease_id, e.generation, e.step, e.attempt, e.verdict, e.seconds, e.http_status,
           e.error_code, e.error_message, e.fbtrace_id, e.end_state, e.waiting_on, e.signup_error_code,
           e.signup_error_message, e.sealed_token, e.token_seconds, e.waba_id, e.phone_number_id,
           e.allocation_config_id, e.test_message_id, e.test_message_wa_id, e.warning
      FROM ended AS e
), signup AS (
    UPDATE embark.signups AS s
       SET state = coalesce(m.end_state::embark.signup_state, s.state),
           failed_step = CASE WHEN m.end_state = 'failed' THEN m.step ELSE s.failed_step END,
           waiting_on = coalesce(m.waiting_on::embark.party, s.waiting_on),
           error_code = coalesce(m.signup_error_code, s.error_code),
           error_message = coalesce(m.signup_error_message, s.error_message),
           waba_id = coalesce(s.waba_id, m.waba_id),
           phone_number_id = coalesce(s.phone_number_id, m.phone_number_id),
           allocation_config_id = coalesce(s.allocation_config_id, m.allocation_config_id),
           test_message_id = coalesce(s.test_message_id, m.test_message_id),
           test_message_wa_id = coalesce(s.test_message_wa_id, m.test_message_wa_id),
           warnings = CASE WHEN m.warning IS NULL OR m.warning = ANY (s.warnings) THEN s.warnings
                           ELSE s.warnings || m.warning END,
           -- A new token's end is its own: one without an end must not keep the last one's.
           token_expires_at = CASE WHEN m.sealed_token IS NULL AND m.token_seconds IS NULL THEN s.token_expires_at
                                   ELSE clock_timestamp() + m.token_seconds * interval '1 second' END,
           updated_at = clock_timestamp()
      FROM moved AS m
     WHERE s.id = m.signup_id
       AND num_nonnulls(m.end_state, m.sealed_token, m.token_seconds, m.waba_id, m.phone_number_id, m.allocation_config_id,
                        m.test_message_id, m.test_message_wa_id, m.warning) > 0
), secret AS (
    -- The code goes when it has been exchanged or has died: with the token, or with the end at that step.
    UPDATE embark.secrets AS x
       SET sealed_token = coalesce(m.sealed_token, x.sealed_token), code = NULL
      FROM moved AS m
     WHERE x.signup_id = m.signup_id
       AND (m.sealed_token IS NOT NULL OR (m.end_state IS NOT NULL AND m.step = 'exchange_code'))
), share AS (
    UPDATE embark.credit_shares AS h
       SET allocation_config_id = coalesce(h.allocation_config_id, m.allocation_config_id)
      FROM moved AS m
     WHERE m.allocation_config_id IS NOT NULL AND h.waba_id = m.waba_id AND h.signup_id = m.signup_id
    RETURNING h.waba_id
), outcome AS (
    INSERT INTO embark.outcomes (signup_id, generation, type, error_code, waiting_on)
    SELECT e.signup_id, e.generation, ('signup.' || e.end_state)::embark.outcome_type, e.signup_error_code,
           e.waiting_on::embark.party
      FROM ended AS e
), attempt AS (
    INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                                 http_status, error_code, error_message, fbtrace_id)
    SELECT m.signup_id, m.generation, m.step, m.attempt, m.verdict,
           clock_timestamp() - m.seconds * interval '1 second', clock_timestamp(), $29, m.lease_id,
           m.http_status::smallint, m.error_code, m.error_message, m.fbtrace_id
      FROM moved AS m
)
SELECT m.signup_id, m.lease_id FROM moved AS m
