-- Makes what absent workers hold due at once. A cut connection is not a death, so what may have been sent waits for its
-- lease. Leased rows are those that are due within the longest lease: the index has them side by side. Returns how many.
--   $1 bigint[] worker ids
WITH released AS (
    UPDATE embark.jobs AS j
       SET due_at = clock_timestamp()
     WHERE j.lane IN (0, 5)
       AND j.due_at > (SELECT clock_timestamp()) AND j.due_at < (SELECT clock_timestamp() + interval '5 minutes')
       AND j.worker_id = ANY ($1::bigint[]) AND j.lease_id IS NOT NULL AND NOT j.sent
    RETURNING j.signup_id
), forgotten AS (
    -- One that was only cut off comes back with its next beat.
    DELETE FROM embark.workers AS w
     WHERE w.id = ANY ($1::bigint[]) AND w.seen_at < clock_timestamp() - interval '1 minute'
    RETURNING w.id
)
SELECT count(*)::integer FROM released
