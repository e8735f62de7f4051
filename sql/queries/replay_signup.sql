-- Replays one signup and returns its new generation.
--   $1 bigint signup id   $2 text from step or NULL   $3 text new code or NULL   $4 text new PIN or NULL   $5 text reason
--   $6 integer the generation that was seen, or NULL for any
SELECT embark.replay($1, $2, $3, $4, session_user, $5, $6)
