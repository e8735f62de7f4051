-- Versions of the workers that were heard of in the last so many seconds, and how many run each.
--   $1 double precision seconds
SELECT w.version, count(*) AS workers
  FROM embark.workers AS w
 WHERE w.seen_at > clock_timestamp() - $1::double precision * interval '1 second'
 GROUP BY w.version
 ORDER BY w.version
