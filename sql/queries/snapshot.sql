-- What "embark top" shows, as one JSON object. No part of it reads more than a bounded number of rows of a table that grows,
-- so it stays quick while things go wrong: a count at its bound, 10,000, means that many or more.
WITH sample AS MATERIALIZED (
    SELECT j.signup_id, j.step, j.due_at, j.lease_id FROM embark.jobs AS j LIMIT 10000
), overdue AS MATERIALIZED (
    -- What has been due for longest, off the front of each lane: behind 10,000 others the sample may miss it. The due time is
    -- compared with one evaluation of the clock, or the index would be none of the condition's.
    SELECT d.signup_id, d.step, d.due_at, d.lease_id
      FROM unnest('{0,5}'::smallint[]) AS l (lane)
     CROSS JOIN LATERAL (
           SELECT j.signup_id, j.step, j.due_at, j.lease_id
             FROM embark.jobs AS j
            WHERE j.lane = l.lane AND j.due_at <= (SELECT clock_timestamp())
            ORDER BY j.due_at
            LIMIT 10000) AS d
), waiting AS MATERIALIZED (
    SELECT s.signup_id, s.step, s.due_at, s.lease_id FROM sample AS s
     UNION
    SELECT o.signup_id, o.step, o.due_at, o.lease_id FROM overdue AS o
), failed AS MATERIALIZED (
    SELECT s.failed_step, s.error_code, s.waiting_on::text AS waiting_on,
           -- No age can be reckoned of what is infinite.
           CASE WHEN isfinite(s.updated_at) THEN s.updated_at ELSE clock_timestamp() END AS updated_at
      FROM embark.signups AS s
     WHERE s.state = 'failed'
     ORDER BY s.updated_at DESC
     LIMIT 10000
), ended AS MATERIALIZED (
    -- By the key, whose order is that of the times: the times have no index.
    SELECT o.type::text AS type, o.at FROM embark.outcomes AS o ORDER BY o.id DESC LIMIT 10000
), tried AS MATERIALIZED (
    -- By the BRIN index. Here the bound is 100,000.
    SELECT a.step, a.verdict
      FROM embark.attempts AS a
     WHERE a.finished_at > (SELECT clock_timestamp()) - interval '1 minute'
     LIMIT 100000
), queue AS (
    SELECT w.step,
           least(10000, count(*) FILTER (WHERE w.due_at <= clock_timestamp())) AS ready,
           least(10000, count(*) FILTER (WHERE w.due_at > clock_timestamp() AND w.lease_id IS NULL)) AS scheduled,
           least(10000, count(*) FILTER (WHERE w.due_at > clock_timestamp() AND w.lease_id IS NOT NULL)) AS running,
           greatest(0, extract(epoch FROM clock_timestamp() - greatest(least(min(w.due_at), clock_timestamp()), timestamptz '2000-01-01 00:00Z'))
                    )::double precision AS oldest_due_seconds
      FROM waiting AS w
     GROUP BY w.step
), pace AS (
    SELECT t.step, count(*) AS attempts, count(*) FILTER (WHERE t.verdict = 'done') AS done
      FROM tried AS t
     GROUP BY t.step
)
SELECT jsonb_build_object(
    'at', clock_timestamp(),
    'signups', jsonb_build_object(
        'running', (SELECT count(*) FROM sample),
        'failed_customer', (SELECT count(*) FROM failed AS f WHERE f.waiting_on = 'customer'),
        'failed_operator', (SELECT count(*) FROM failed AS f WHERE f.waiting_on = 'operator'),
        'completed_24h', (SELECT count(*) FROM ended AS e
                           WHERE e.type = 'signup.completed' AND e.at > clock_timestamp() - interval '24 hours'),
        'cancelled_24h', (SELECT count(*) FROM ended AS e
                           WHERE e.type = 'signup.cancelled' AND e.at > clock_timestamp() - interval '24 hours')),
    'failed', coalesce((
        SELECT jsonb_agg(to_jsonb(g) ORDER BY g.signups DESC, g.step, g.error_code)
          FROM (SELECT f.failed_step AS step, f.error_code, f.waiting_on, count(*) AS signups,
                       extract(epoch FROM clock_timestamp() - min(f.updated_at))::bigint AS first_seconds_ago,
                       extract(epoch FROM clock_timestamp() - max(f.updated_at))::bigint AS last_seconds_ago
                  FROM failed AS f
                 GROUP BY f.failed_step, f.error_code, f.waiting_on
                 ORDER BY count(*) DESC, f.failed_step, f.error_code
                 LIMIT 20) AS g), '[]'),
    -- A step at which nothing waits has a pace as well.
    'jobs', coalesce((
        SELECT jsonb_agg(to_jsonb(g) ORDER BY g.step)
          FROM (SELECT step, coalesce(q.ready, 0) AS ready, coalesce(q.scheduled, 0) AS scheduled,
                       coalesce(q.running, 0) AS running, coalesce(q.oldest_due_seconds, 0) AS oldest_due_seconds,
                       coalesce(p.attempts, 0) AS attempts_last_minute, coalesce(p.done, 0) AS done_last_minute
                  FROM queue AS q
                  FULL JOIN pace AS p USING (step)
                 ORDER BY step
                 LIMIT 100) AS g), '[]'),
    'attempts_last_minute', coalesce((
        SELECT jsonb_object_agg(g.verdict, g.attempts)
          FROM (SELECT t.verdict, count(*) AS attempts FROM tried AS t GROUP BY t.verdict) AS g), '{}'),
    'workers', coalesce((
        SELECT jsonb_agg(to_jsonb(g) ORDER BY g.seen_seconds_ago, g.id)
          FROM (SELECT k.id::text AS id, k.host, k.pid, k.version, k.in_flight, k.sleeping,
                       CASE WHEN isfinite(k.seen_at) THEN extract(epoch FROM clock_timestamp() - k.seen_at)::double precision
                            ELSE 0 END AS seen_seconds_ago
                  FROM embark.workers AS k
                 ORDER BY k.seen_at DESC
                 LIMIT 100) AS g), '[]')
) AS json
