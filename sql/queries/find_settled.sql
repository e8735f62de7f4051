-- After a connection was lost in the middle of a settle: which of its results had been committed. A settle that moved a job
-- left its attempt, with the lease, in the same transaction.
--   $1 bigint[] signup ids   $2 bigint[] lease ids
SELECT a.signup_id, a.lease_id
  FROM unnest($1::bigint[], $2::bigint[]) AS i (signup_id, lease_id)
  JOIN embark.attempts AS a ON a.signup_id = i.signup_id AND a.lease_id = i.lease_id AND a.verdict <> 'stale'
