-- Invariant 3: a signup sends one test message a generation, and only where one is wanted.
SELECT e.signup_id, format('%s test messages were sent in generation %s', count(*), e.generation) AS seen
  FROM ledger AS e
 WHERE e.effect = 'send_test_message' AND e.signup_id IS NOT NULL
 GROUP BY e.signup_id, e.generation
HAVING count(*) > 1
 UNION ALL
SELECT s.id, format('a test message from number %s is of signup %s, generation %s, which has none to send', e.thing,
                    coalesce(e.signup_id::text, 'unknown'), coalesce(e.generation::text, 'unknown'))
  FROM ledger AS e
  LEFT JOIN embark.signups AS s ON s.id = e.signup_id
 WHERE e.effect = 'send_test_message'
   AND (s.id IS NULL OR e.generation > s.generation OR 'send_test_message' <> ALL (s.plan)
        OR e.thing IS DISTINCT FROM s.phone_number_id)
