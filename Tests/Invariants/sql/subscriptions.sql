-- Invariant 3: the body that subscribes is the signup's own, each time. A call without one removes an override, so where the
-- only signup of an account is complete the last call had its override, or none had one.
WITH last AS MATERIALIZED (
    SELECT DISTINCT ON (l.thing) l.thing, l.override_uri
      FROM ledger AS l
     WHERE l.effect = 'subscribe_app'
     ORDER BY l.thing, l.n DESC
)
SELECT (SELECT min(s.id) FROM embark.signups AS s WHERE s.waba_id = e.thing) AS signup_id,
       format('account %s was subscribed with the override %s, which none of its signups has', e.thing, e.override_uri) AS seen
  FROM ledger AS e
 WHERE e.effect = 'subscribe_app' AND e.override_uri IS NOT NULL
   AND NOT EXISTS (SELECT FROM embark.signups AS s WHERE s.waba_id = e.thing AND s.override_callback_uri = e.override_uri)
 UNION ALL
SELECT s.id, format('its override is %s, and the last call to subscribe had %s', coalesce(s.override_callback_uri, 'none'),
                    coalesce(e.override_uri, 'none'))
  FROM embark.signups AS s
  JOIN last AS e ON e.thing = s.waba_id
 WHERE s.state = 'completed' AND s.override_callback_uri IS DISTINCT FROM e.override_uri
   AND (e.override_uri IS NULL OR s.override_callback_uri IS NULL)
   AND NOT EXISTS (SELECT FROM embark.signups AS o WHERE o.waba_id = s.waba_id AND o.id <> s.id)
