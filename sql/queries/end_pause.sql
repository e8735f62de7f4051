-- Ends a pause on an operator's behalf and returns whether there was one.
--   $1 text scope   $2 text reason
SELECT embark.resume($1, session_user, $2)
