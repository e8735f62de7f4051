-- Invariant 1: a signup that runs has one job, and no other has one. More than one cannot be: the signup is the job's key.
SELECT s.id AS signup_id,
       format('it is %s, and has %s', s.state, coalesce('a job at ' || j.step, 'no job')) AS seen
  FROM embark.signups AS s
  LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
 WHERE (s.state = 'running') <> (j.signup_id IS NOT NULL)
 UNION ALL
SELECT j.signup_id, format('it has a job at %s, and there is no such signup', j.step)
  FROM embark.jobs AS j
  LEFT JOIN embark.signups AS s ON s.id = j.signup_id
 WHERE s.id IS NULL
