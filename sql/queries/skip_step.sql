-- Leaves out the step at which a signup failed, and returns where it goes on: a step, or completed.
--   $1 bigint signup id   $2 text reason   $3 integer the generation that was seen, or NULL for any
SELECT embark.skip($1, session_user, $2, $3)
