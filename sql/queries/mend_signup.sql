-- Sets the number or the currency of a failed signup.
--   $1 bigint signup id   $2 text number or NULL   $3 text currency or NULL   $4 text reason
--   $5 text how long this transaction waits for a lock, as lock_timeout takes it, or NULL for as long as the session says
SELECT embark.mend($1, $2, $3, session_user, $4)::text
  FROM (SELECT set_config('lock_timeout', coalesce($5, current_setting('lock_timeout')), true) AS value OFFSET 0) AS wait
 WHERE wait.value IS NOT NULL
