-- Invariant 3: the token of an exchange is stored, or its signup stands at the exchange and says so. A signup that has got past
-- its exchange has its token.
SELECT s.id AS signup_id,
       format('it is %s at %s, and has no token', s.state, coalesce(j.step, s.failed_step, 'the end')) AS seen
  FROM embark.signups AS s
  LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
  LEFT JOIN embark.secrets AS x ON x.signup_id = s.id
 WHERE x.sealed_token IS NULL
   AND (s.state = 'completed' OR coalesce(j.step, s.failed_step) <> 'exchange_code')
