-- Fails signups whose code has died and whose token nobody can recover, without a claim: workers may all be busy, or paused.
-- Returns how many, and how many dead codes were left to be recovered.
--
-- A job whose token can be recovered has nothing more to lose, so it leaves the codes' lane: each is looked at once, however many
-- of them a pause keeps from being recovered. It keeps its due time, and stands among the others by it. An index of the codes' ends would not do that, and it would
-- cost each enqueue.
--   $1 boolean whether tokens of known businesses can be recovered   $2 integer how many at most
WITH turn AS MATERIALIZED (
    -- Whoever does not get the lock leaves the work to the one who holds it. 3 is this lock's number within Embark.
    SELECT pg_try_advisory_xact_lock(hashtext('embark'), 3) AS is_ours
), dead AS MATERIALIZED (
    SELECT j.signup_id, j.attempt, j.lease_id, j.worker_id, s.generation, s.code_issued_at,
           s.business_id IS NOT NULL AND $1 AS is_recoverable,
           CASE WHEN j.sent THEN 'code_spent' ELSE 'code_expired' END AS error_code,
           CASE WHEN j.sent THEN 'the code may have been spent and its token was lost: its worker was interrupted'
                ELSE 'the code was older than 30 seconds before it could be exchanged' END AS error_message
      FROM embark.jobs AS j
      JOIN embark.signups AS s ON s.id = j.signup_id
     WHERE j.lane = 0 AND j.step = 'exchange_code' AND j.give_up_at < clock_timestamp()
       AND (j.lease_id IS NULL OR j.due_at < clock_timestamp())
       AND (SELECT t.is_ours FROM turn AS t)
     ORDER BY j.due_at
     LIMIT $2::integer
       FOR UPDATE OF j SKIP LOCKED
), recoverable AS (
    UPDATE embark.jobs AS j SET lane = 5 FROM dead AS d WHERE j.signup_id = d.signup_id AND d.is_recoverable
    RETURNING j.signup_id
), job AS (
    DELETE FROM embark.jobs AS j USING dead AS d WHERE j.signup_id = d.signup_id AND NOT d.is_recoverable
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
SELECT (SELECT count(*)::integer FROM job) AS failed, (SELECT count(*)::integer FROM recoverable) AS recoverable
