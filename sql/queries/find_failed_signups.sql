-- A page of the signups that failed at one step with one code, oldest first. One that fails again while the pages are read is
-- behind the first page's time, and is not met twice.
--   $1 text step   $2 text error code
--   $3 double precision: failed at most so many seconds ago, or NULL   $4 timestamptz: failed at this time or later, or NULL
--   $5 timestamptz: only until then, as the first page returned it, or NULL for now
--   $6 timestamptz, $7 bigint: only behind this one of the page before, when it failed and its id; or NULL
--   $8 integer: how many
-- Both ends are whole keys of signups_failed_step: with equalities and a range the planner may prefer the index by time alone,
-- and read through all that failed otherwise.
WITH bounds AS MATERIALIZED (
    SELECT coalesce($6::timestamptz, $4::timestamptz, clock_timestamp() - $3::double precision * interval '1 second') AS since,
           coalesce($5::timestamptz, clock_timestamp()) AS until
)
SELECT s.id, s.updated_at, (SELECT b.until FROM bounds AS b) AS until
  FROM embark.signups AS s
 WHERE s.state = 'failed'
   AND (left(s.failed_step, 100), left(s.error_code, 100), s.updated_at, s.id)
       > (left($1::text, 100), left($2::text, 100), (SELECT b.since FROM bounds AS b), coalesce($7::bigint, 0))
   AND (left(s.failed_step, 100), left(s.error_code, 100), s.updated_at, s.id)
       <= (left($1::text, 100), left($2::text, 100), (SELECT b.until FROM bounds AS b), 9223372036854775807)
   AND s.failed_step = $1::text AND s.error_code = $2::text
 ORDER BY left(s.failed_step, 100), left(s.error_code, 100), s.updated_at, s.id
 LIMIT $8::integer
