-- Ends leases without a result: the jobs are due after so many seconds, and the execution does not count. What may have
-- been sent keeps its lease.
--   $1 bigint[] signup ids   $2 bigint[] lease ids   $3 double precision seconds
--   $4 boolean whether these executions never began: a mark is then an earlier one's, and stays with the job
UPDATE embark.jobs AS j
   SET due_at = clock_timestamp() + $3 * interval '1 second',
       lease_id = NULL, worker_id = NULL, attempt = greatest(j.attempt - 1, 0)
  FROM unnest($1::bigint[], $2::bigint[]) AS i (signup_id, lease_id)
 WHERE j.signup_id = i.signup_id AND j.lease_id = i.lease_id AND ($4::boolean OR NOT j.sent)
RETURNING j.signup_id
