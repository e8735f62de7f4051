-- Invariant 2: executions that moved a job do not overlap. One that began before another's result was written did so under a
-- lease that the other one had lost, so one of the two was late. Times are the database's; the start is reckoned back from the
-- end by the worker's monotonic clock, and a result that waited to be written seems to have begun later, never earlier.
SELECT o.signup_id,
       format('%s of lease %s began at %s, before %s of lease %s was written at %s, and both moved it', o.step, o.lease_id,
              o.started_at, o.step_before, o.lease_before, o.finished_before) AS seen
  FROM (SELECT a.signup_id, a.step, a.lease_id, a.started_at,
               lag(a.step) OVER w AS step_before, lag(a.lease_id) OVER w AS lease_before,
               lag(a.finished_at) OVER w AS finished_before
          FROM embark.attempts AS a
         WHERE a.verdict <> 'stale'
        WINDOW w AS (PARTITION BY a.signup_id ORDER BY a.finished_at)) AS o
 WHERE o.started_at < o.finished_before - interval '1 millisecond'
