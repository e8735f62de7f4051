-- The latest attempts of a signup, newest first.
--   $1 bigint signup id   $2 integer: how many
SELECT a.generation, a.step, a.attempt, a.verdict, a.finished_at,
       CASE WHEN isfinite(a.finished_at) AND isfinite(a.started_at) THEN a.finished_at - a.started_at ELSE interval '0' END AS took,
       a.error_code, a.error_message,
       to_jsonb(a) - 'signup_id' AS json
  FROM embark.attempts AS a
 WHERE a.signup_id = $1
 ORDER BY a.finished_at DESC
 LIMIT $2::integer
