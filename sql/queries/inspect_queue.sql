-- Jobs that have been due for long and that nobody claims, but for those whose step rests; also those in a lane that no worker
-- looks into. From the front of each lane, so that it is as quick behind a million of them: a count at its bound means that many
-- or more.
--   $1 double precision: for longer than so many seconds   $2 integer: the bound
WITH resting AS MATERIALIZED (
    SELECT t.scope FROM embark.throttles AS t
     WHERE t.until > clock_timestamp() AND t.scope IN ('app', 'system', 'credit')
), due AS MATERIALIZED (
    SELECT j.signup_id, j.step, j.due_at
      FROM unnest('{0,5}'::smallint[]) AS l (lane)
     CROSS JOIN LATERAL (
           SELECT q.signup_id, q.step, q.due_at
             FROM embark.jobs AS q
            WHERE q.lane = l.lane
              AND q.due_at < (SELECT clock_timestamp()) - $1::double precision * interval '1 second'
            ORDER BY q.due_at
            LIMIT $2::integer) AS j
    UNION ALL
    (SELECT o.signup_id, o.step, o.due_at
       FROM embark.jobs AS o
      WHERE (o.lane < 0 OR o.lane BETWEEN 1 AND 4 OR o.lane > 5)
        AND o.due_at < (SELECT clock_timestamp()) - $1::double precision * interval '1 second'
      LIMIT $2::integer)
), overdue AS MATERIALIZED (
    SELECT j.signup_id, j.step, j.due_at
      FROM due AS j
     WHERE NOT EXISTS (
           SELECT FROM resting AS r
            WHERE r.scope = 'app'
               OR r.scope = 'system' AND j.step IN ('assign_system_user', 'share_credit_line')
               OR r.scope = 'credit' AND j.step = 'share_credit_line')
)
SELECT count(*) AS jobs,
       (array_agg(o.signup_id ORDER BY o.due_at))[1] AS signup_id,
       (array_agg(o.step ORDER BY o.due_at))[1] AS step,
       extract(epoch FROM clock_timestamp() - greatest(min(o.due_at), timestamptz '2000-01-01 00:00Z'))::double precision AS oldest_seconds
  FROM overdue AS o
