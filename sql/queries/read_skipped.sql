-- The step that was last left out of a signup's plan. In the transaction that skips it is the one that was skipped, for the
-- signup is locked.
--   $1 bigint signup id
SELECT a.detail ->> 'failed_step' AS skipped_step
  FROM embark.audit AS a
 WHERE a.signup_id = $1 AND a.action = 'skip'
 ORDER BY a.id DESC
 LIMIT 1
