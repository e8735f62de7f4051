-- Counts a call to register before it leaves, behind lock_phone: however many signups of a number there are, they share one
-- quota. Returns the calls of the last 72 hours without this one, and whether this one was counted. No row: the lease is
-- lost.
--   $1 bigint signup id   $2 bigint lease id   $3 text number id   $4 integer how many there may be
WITH lease AS (
    UPDATE embark.jobs AS j
       SET sent = true
     WHERE j.signup_id = $1 AND j.lease_id = $2 AND j.due_at > clock_timestamp()
    RETURNING j.signup_id
), used AS (
    SELECT (SELECT count(*) FROM embark.register_calls AS r
             WHERE r.phone_number_id = $3 AND r.called_at > clock_timestamp() - interval '72 hours')::integer AS calls
      FROM lease
), counted AS (
    INSERT INTO embark.register_calls (phone_number_id, signup_id)
    SELECT $3, lease.signup_id FROM used, lease WHERE used.calls < $4::integer
    RETURNING signup_id
)
SELECT used.calls, EXISTS (SELECT FROM counted) AS is_counted FROM used
