-- Invariant 3: a code is exchanged once, for a signup that there is.
SELECT (SELECT min(s.id) FROM embark.signups AS s WHERE s.waba_id = e.thing) AS signup_id,
       format('a code of account %s was exchanged %s times', e.thing, count(*)) AS seen
  FROM ledger AS e
 WHERE e.effect = 'exchange_code'
 GROUP BY e.thing, e.code_digest
HAVING count(*) > 1
 UNION ALL
SELECT NULL, format('a code of account %s was exchanged, and no signup is of that account or of an unknown one', e.thing)
  FROM ledger AS e
 WHERE e.effect = 'exchange_code'
   AND NOT EXISTS (SELECT FROM embark.signups AS s WHERE s.waba_id = e.thing OR s.waba_id IS NULL)
