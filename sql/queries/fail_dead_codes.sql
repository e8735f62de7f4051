-- Fails signups whose code has died and whose token nobody can recover, without a claim: workers may all be busy, or paused.
-- Returns how many.
--   $1 boolean whether tokens of known businesses can be recovered   $2 integer how many at most
WITH dead AS MATERIALIZED (
    SELECT j.signup_id, j.attempt, j.lease_id, j.worker_id, s.generation, s.code_issued_at,
           CASE WHEN j.sent THEN 'code_spent' ELSE 'code_expired' END AS error_code,
           CASE WHEN j.sent THEN 'the code may have been spent and its token was lost: its worker was interrupted'
                ELSE 'the code was older than 30 seconds before it could be exchanged' END AS error_message
      FROM embark.jobs AS j
      JOIN embark.signups AS s ON s.id = j.signup_id
     WHERE j.lane = 0 AND j.step = 'exchange_code' AND j.give_up_at < clock_timestamp()
       AND (j.lease_id IS NULL OR j.due_at < clock_timestamp())
       AND (s.business_id IS NULL OR NOT $1)
     ORDER BY j.due_at
     LIMIT $2::integer
       FOR UPDATE OF j SKIP LOCKED
), job AS (
    DELETE FROM embark.jobs AS j USING dead AS d WHERE j.signup_id = d.signup_id
    RETURNING d.signup_id, d.attempt, d.lease_id, d.worker_id, d.generation, d.code_issued_at, d.error_code, d.error_message
), signup AS (
    UPDATE embark.signups AS s
       SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer', error_code = j.error_code,
           error_message = j.error_message, updated_at = clock_timestamp()
      FROM job AS j
     WHERE s.id = j.signup_id
), secret AS (
    UPDATE embark.secrets AS x SET code = NULL FROM job AS j WHERE x.signup_id = j.signup_id
), outcome AS (
    INSERT INTO embark.outcomes (signup_id, generation, type, error_code, waiting_on)
    SELECT j.signup_id, j.generation, 'signup.failed', j.error_code, 'customer' FROM job AS j
), attempt AS (
    INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id, lease_id,
                                 error_code, error_message)
    SELECT j.signup_id, j.generation, 'exchange_code', j.attempt, 'fail', clock_timestamp(), clock_timestamp(), j.worker_id,
           j.lease_id, j.error_code, j.error_message
      FROM job AS j
)
SELECT count(*)::integer AS failed FROM job
