-- Commits before a call leaves that must not be repeated. No row: the lease is lost, and the call must not be made.
--   $1 bigint signup id   $2 bigint lease id
UPDATE embark.jobs AS j
   SET sent = true
 WHERE j.signup_id = $1 AND j.lease_id = $2 AND j.due_at > clock_timestamp()
RETURNING j.signup_id
