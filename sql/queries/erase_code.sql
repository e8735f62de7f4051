-- From here on the code cannot be sent again by anybody. No row: the lease is lost.
--   $1 bigint signup id   $2 bigint lease id
WITH lease AS (
    SELECT j.signup_id
      FROM embark.jobs AS j
     WHERE j.signup_id = $1 AND j.lease_id = $2 AND j.due_at > clock_timestamp()
       FOR UPDATE
)
UPDATE embark.secrets AS x SET code = NULL FROM lease AS l WHERE x.signup_id = l.signup_id
RETURNING x.signup_id
