-- Records results whose lease was gone. They move nothing; what cannot be had again, a token, an allocation's or a message's
-- id, is kept all the same where there is none yet. Returns the ids of the signups.
--   the attempt    $1 bigint[] signup id   $2 bigint[] lease id   $3 integer[] generation   $4 text[] step   $5 integer[] attempt
--                  $6 double precision[] seconds that it took   $7 integer[] HTTP status   $8 text[] error code
--                  $9 text[] error message   $10 text[] fbtrace id
--   what was learnt  $11 text[] sealed token   $12 double precision[] its seconds to live   $13 text[] account
--                  $14 text[] number   $15 text[] allocation   $16 text[] message   $17 text[] message's WhatsApp id
--   $18 bigint worker id
WITH late AS MATERIALIZED (
    SELECT i.signup_id, i.lease_id, i.generation, i.step, i.attempt, i.seconds, i.http_status, i.error_code,
           i.error_message, i.fbtrace_id, i.sealed_token, i.token_seconds, i.waba_id, i.phone_number_id,
           i.allocation_config_id, i.test_message_id, i.test_message_wa_id
      FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::double precision[],
                  $7::integer[], $8::text[], $9::text[], $10::text[], $11::text[], $12::double precision[], $13::text[],
                  $14::text[], $15::text[], $16::text[], $17::text[])
           AS i (signup_id, lease_id, generation, step, attempt, seconds, http_status, error_code, error_message, fbtrace_id,
                 sealed_token, token_seconds, waba_id, phone_number_id, allocation_config_id, test_message_id,
                 test_message_wa_id)
), locked AS MATERIALIZED (
    -- The signups before their secrets and shares, and in order, as operators' functions lock them: the parts below run in no
    -- promised order, and only after what the last part reads. Not the jobs as well: whoever moves many of them at once, as
    -- embark.resume does, takes them in another order. A settlement that meets this one the other way round is tried again.
    SELECT s.id
      FROM embark.signups AS s
     WHERE s.id IN (SELECT l.signup_id FROM late AS l)
     ORDER BY s.id
       FOR NO KEY UPDATE
), signup AS (
    UPDATE embark.signups AS s
       SET waba_id = coalesce(s.waba_id, l.waba_id),
           phone_number_id = coalesce(s.phone_number_id, l.phone_number_id),
           allocation_config_id = coalesce(s.allocation_config_id, l.allocation_config_id),
           test_message_id = coalesce(s.test_message_id, l.test_message_id),
           test_message_wa_id = coalesce(s.test_message_wa_id, l.test_message_wa_id),
           -- With the token that takes another's place goes its end, as below.
           token_expires_at = CASE
               WHEN l.sealed_token IS NOT NULL AND s.generation = l.generation AND s.generation > 1
                    AND coalesce((SELECT j.step FROM embark.jobs AS j WHERE j.signup_id = s.id), s.failed_step) = 'exchange_code'
                   THEN clock_timestamp() + l.token_seconds * interval '1 second'
               ELSE coalesce(s.token_expires_at, clock_timestamp() + l.token_seconds * interval '1 second') END,
           updated_at = clock_timestamp()
      FROM late AS l
     WHERE s.id = l.signup_id
       AND num_nonnulls(l.sealed_token, l.token_seconds, l.waba_id, l.phone_number_id, l.allocation_config_id, l.test_message_id,
                        l.test_message_wa_id) > 0
    RETURNING s.id
), secret AS (
    -- The code of a renewal is not taken with it. A token of an earlier generation gives way to this one's as long as the
    -- signup has not got past its exchange.
    UPDATE embark.secrets AS x
       SET sealed_token = l.sealed_token
      FROM late AS l
     WHERE x.signup_id = l.signup_id AND l.sealed_token IS NOT NULL
       AND (x.sealed_token IS NULL
            OR EXISTS (SELECT FROM embark.signups AS s LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
                        WHERE s.id = l.signup_id AND s.generation = l.generation AND s.generation > 1
                          AND coalesce(j.step, s.failed_step) = 'exchange_code'))
    RETURNING x.signup_id
), share AS (
    UPDATE embark.credit_shares AS h
       SET allocation_config_id = coalesce(h.allocation_config_id, l.allocation_config_id)
      FROM late AS l
     WHERE l.allocation_config_id IS NOT NULL AND h.waba_id = l.waba_id AND h.signup_id = l.signup_id
    RETURNING h.waba_id
)
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                             http_status, error_code, error_message, fbtrace_id)
SELECT l.signup_id, l.generation, l.step, l.attempt, 'stale',
       clock_timestamp() - l.seconds * interval '1 second', clock_timestamp(), $18, l.lease_id,
       l.http_status::smallint, l.error_code, l.error_message, l.fbtrace_id
  FROM late AS l
  LEFT JOIN locked AS k ON k.id = l.signup_id
RETURNING signup_id
