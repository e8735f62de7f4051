-- What rests at this moment: what stops most comes first, for it must not be cut off; then the longest. One that never ends, which
-- nobody can set but by hand, is read as ten years.
--   $1 integer how many
SELECT t.scope,
       extract(epoch FROM least(t.until, clock_timestamp() + interval '10 years') - clock_timestamp())::double precision AS seconds,
       t.reason, t.credentials
  FROM embark.throttles AS t
 WHERE t.until > clock_timestamp()
 ORDER BY t.scope IN ('app', 'system', 'credit') DESC, t.credentials DESC, t.until DESC
 LIMIT $1::integer
