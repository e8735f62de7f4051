-- Ends a signup for good, and returns the step at which it stood; NULL where it had none.
--   $1 bigint signup id   $2 text reason
SELECT embark.cancel($1, session_user, $2)
