-- The call to register provably never left: it does not count. The latest one of this signup is the one that was just counted.
--   $1 bigint signup id   $2 text number id
DELETE FROM embark.register_calls AS r
 WHERE r.ctid = (SELECT o.ctid FROM embark.register_calls AS o
                  WHERE o.phone_number_id = $2 AND o.signup_id = $1
                  ORDER BY o.called_at DESC
                  LIMIT 1)
RETURNING r.signup_id
