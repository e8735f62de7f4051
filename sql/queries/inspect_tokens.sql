-- Business tokens of completed signups that have ended within so many days, and that end within as many: how many, when the
-- first does, and whose. What ended before is over, and so is what a later signup of the same account has replaced.
--   $1 integer days   $2 integer how many are counted: a count at this bound means that many or more
--   $3 integer how many signups are named
WITH span AS MATERIALIZED (
    SELECT clock_timestamp() AS now, $1::integer * interval '1 day' AS length
), side AS (
    SELECT true AS has_ended, p.now - p.length AS after, p.now AS until FROM span AS p
     UNION ALL
    SELECT false, p.now, p.now + p.length FROM span AS p
)
SELECT d.has_ended, count(*) AS tokens,
       extract(epoch FROM min(f.token_expires_at) - (SELECT p.now FROM span AS p))::double precision AS first_seconds,
       (array_agg(f.id::text ORDER BY f.token_expires_at, f.id))[:$3::integer] AS signups
  FROM side AS d
 CROSS JOIN LATERAL (
       SELECT s.id, s.token_expires_at
         FROM embark.signups AS s
        WHERE s.token_expires_at > d.after
          AND s.token_expires_at <= d.until
          AND s.state = 'completed'
          AND NOT EXISTS (
              SELECT FROM embark.signups AS n
               WHERE n.waba_id = s.waba_id AND n.id > s.id AND n.state IN ('running', 'completed'))
        ORDER BY s.token_expires_at
        LIMIT $2::integer) AS f
 GROUP BY d.has_ended
 ORDER BY d.has_ended DESC
