-- Invariant 2: a lease moves its job once, and a step ends once a generation. A late result is recorded as stale.
SELECT a.signup_id, format('lease %s moved it %s times: %s', a.lease_id, count(*), string_agg(a.step || ' ' || a.verdict, ', '))
           AS seen
  FROM embark.attempts AS a
 WHERE a.verdict <> 'stale' AND a.lease_id IS NOT NULL
 GROUP BY a.signup_id, a.lease_id
HAVING count(*) > 1
 UNION ALL
SELECT a.signup_id, format('%s ended %s times in generation %s: %s', a.step, count(*), a.generation,
                           string_agg(a.verdict || ' by lease ' || coalesce(a.lease_id::text, 'none'), ', '))
  FROM embark.attempts AS a
 WHERE a.verdict IN ('done', 'fail', 'uncertain')
 GROUP BY a.signup_id, a.generation, a.step
HAVING count(*) > 1
