-- What rests at this moment, the longest first.
--   $1 integer how many
SELECT t.scope, extract(epoch FROM t.until - clock_timestamp())::double precision AS seconds, t.reason, t.credentials
  FROM embark.throttles AS t
 WHERE t.until > clock_timestamp()
 ORDER BY t.until DESC
 LIMIT $1::integer
