-- Invariant 1: a failed signup says where it stopped, why, and whose move it is; no other does.
SELECT s.id AS signup_id,
       format('it is %s, with step %s, error %s, waiting on %s', s.state, coalesce(s.failed_step, 'none'),
              coalesce(s.error_code, 'none'), coalesce(s.waiting_on::text, 'nobody')) AS seen
  FROM embark.signups AS s
 WHERE num_nonnulls(s.failed_step, s.error_code, s.waiting_on) <> CASE s.state WHEN 'failed' THEN 3 ELSE 0 END
