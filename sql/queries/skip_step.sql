-- Leaves out the step at which a signup failed, and returns where it goes on: a step, or completed.
--   $1 bigint signup id   $2 text reason
SELECT embark.skip($1, session_user, $2)
