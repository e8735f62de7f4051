-- The call to register provably never left: it does not count, and an operator's replay still has its call. The latest one of
-- this signup is the one that was just counted.
--   $1 bigint signup id   $2 text number id   $3 bigint lease id
WITH gone AS (
    DELETE FROM embark.register_calls AS r
     WHERE r.ctid = (SELECT o.ctid FROM embark.register_calls AS o
                      WHERE o.phone_number_id = $2 AND o.signup_id = $1
                      ORDER BY o.called_at DESC
                      LIMIT 1)
    RETURNING r.signup_id, r.automatic
)
UPDATE embark.jobs AS j
   SET by_operator = true
  FROM gone AS g
 WHERE j.signup_id = g.signup_id AND j.lease_id = $3 AND NOT g.automatic
RETURNING j.signup_id
