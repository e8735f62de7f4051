-- Tokens that end within so many days, or have ended, of signups that are in use: how many, and in how many seconds the first.
--   $1 integer days
SELECT count(*) AS tokens, extract(epoch FROM min(s.token_expires_at) - clock_timestamp())::double precision AS first_seconds
  FROM embark.signups AS s
 WHERE s.token_expires_at < clock_timestamp() + $1::integer * interval '1 day' AND s.state IN ('running', 'completed')
