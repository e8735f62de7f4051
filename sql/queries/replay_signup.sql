-- Replays one signup and returns its new generation.
--   $1 bigint signup id   $2 text from step or NULL   $3 text new code or NULL   $4 text new PIN or NULL   $5 text reason
--   $6 integer the generation that was seen, or NULL for any
--   $7 text how long to wait for a lock, as lock_timeout takes it, or NULL for as long as the session says
-- Set for this transaction alone, and before the row is asked for: a session behind a pooler has other users after it.
SELECT embark.replay($1, $2, $3, $4, session_user, $5, $6)
  FROM (SELECT set_config('lock_timeout', coalesce($7, current_setting('lock_timeout')), true) AS value OFFSET 0) AS wait
 WHERE wait.value IS NOT NULL
