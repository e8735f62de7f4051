-- Invariant 5: in plain text embark.secrets holds only codes that are not exchanged yet, and PINs that no worker has met. No value
-- is shown.
SELECT s.id AS signup_id,
       format('it is %s at %s, and its code is kept', s.state, coalesce(j.step, s.failed_step, 'the end')) AS seen
  FROM embark.secrets AS x
  JOIN embark.signups AS s ON s.id = x.signup_id
  LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
 WHERE x.code IS NOT NULL AND (s.state <> 'running' OR j.step <> 'exchange_code')
 UNION ALL
-- A call that is on its way, or whose worker was interrupted, is marked.
SELECT x.signup_id, 'its code has been exchanged and is kept, and nothing says that it was sent'
  FROM embark.secrets AS x
  JOIN embark.jobs AS j ON j.signup_id = x.signup_id AND j.step = 'exchange_code' AND NOT j.sent AND j.lease_id IS NULL
 WHERE x.code IS NOT NULL
   AND EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'exchange_code' AND e.code_digest = md5(x.code))
 UNION ALL
SELECT s.id, 'its PIN is in plain text, although a worker has done a step of it'
  FROM embark.secrets AS x
  JOIN embark.signups AS s ON s.id = x.signup_id
 WHERE x.pin IS NOT NULL
   AND EXISTS (SELECT FROM embark.attempts AS a
                WHERE a.signup_id = s.id AND a.generation = s.generation AND a.verdict = 'done')
 UNION ALL
SELECT x.signup_id, format('its %s is not sealed', v.what)
  FROM embark.secrets AS x
 CROSS JOIN LATERAL (VALUES ('token', x.sealed_token), ('PIN', x.sealed_pin)) AS v (what, sealed)
 WHERE v.sealed !~ '^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
