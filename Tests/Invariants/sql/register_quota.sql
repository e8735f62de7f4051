-- Invariant 3: a number is called to register at most 4 times in a moving 72 hours, and once more for each operator's move that
-- let a signup of it go on. Each call is on record before it leaves; one that provably never left is taken back, and never came.
WITH called AS (
    SELECT r.subject AS phone_number_id, r.at,
           count(*) OVER (PARTITION BY r.subject ORDER BY r.at RANGE BETWEEN 259200 PRECEDING AND CURRENT ROW) AS calls
      FROM ledger AS r
     WHERE r.kind = 'request' AND r.endpoint IN ('register_phone', 'deregister_phone')
), most AS (
    SELECT c.phone_number_id, max(c.calls) AS calls, count(*) AS calls_ever FROM called AS c GROUP BY c.phone_number_id
), allowed AS (
    SELECT m.phone_number_id, m.calls, m.calls_ever,
           (SELECT min(s.id) FROM embark.signups AS s WHERE s.phone_number_id = m.phone_number_id) AS signup_id,
           (SELECT count(*)
              FROM embark.signups AS s
              JOIN embark.audit AS u ON u.signup_id = s.id
             WHERE s.phone_number_id = m.phone_number_id AND u.action IN ('replay', 'resolve', 'skip')) AS moves,
           (SELECT count(*) FROM embark.register_calls AS c WHERE c.phone_number_id = m.phone_number_id) AS recorded
      FROM most AS m
)
SELECT a.signup_id,
       format('number %s was called to register %s times in 72 hours, and operators had let it go on %s times',
              a.phone_number_id, a.calls, a.moves) AS seen
  FROM allowed AS a
 WHERE a.calls > 4 + a.moves
 UNION ALL
SELECT a.signup_id, format('number %s was called to register %s times, and %s are on record', a.phone_number_id,
                           a.calls_ever, a.recorded)
  FROM allowed AS a
 WHERE a.calls_ever > a.recorded
