-- Commits before calls leave that must not be repeated. A job that is not among those returned has lost its lease, and its
-- call must not be made: one process may hold an old lease and a new one of the same job, and both may be asked for here.
--   $1 bigint[] signup ids   $2 bigint[] lease ids
UPDATE embark.jobs AS j
   SET sent = true
  FROM unnest($1::bigint[], $2::bigint[]) AS i (signup_id, lease_id)
 WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND j.due_at > clock_timestamp()
RETURNING i.signup_id, i.lease_id
