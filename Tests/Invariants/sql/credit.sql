-- Invariant 3: a credit line is attached to an account once, by however many signups of it; once more each time that an operator
-- has said that it did not happen. A business needs one allocation an account.
SELECT (SELECT min(s.id) FROM embark.signups AS s WHERE s.waba_id = e.thing) AS signup_id,
       format('the credit line was attached to account %s %s times', e.thing, count(*)) AS seen
  FROM ledger AS e
 WHERE e.effect = 'share_credit_line'
 GROUP BY e.thing
HAVING count(*) > 1 + (SELECT count(*)
                         FROM embark.signups AS s
                         JOIN embark.audit AS u ON u.signup_id = s.id
                        WHERE s.waba_id = e.thing AND u.action = 'resolve'
                          AND u.detail ->> 'failed_step' = 'share_credit_line' AND u.detail ->> 'effect_happened' = 'false')
 UNION ALL
SELECT (SELECT min(s.id) FROM embark.signups AS s WHERE s.business_id = e.thing),
       format('the credit line was shared with business %s %s times', e.thing, count(*))
  FROM ledger AS e
 WHERE e.effect = 'share_allocation'
 GROUP BY e.thing
HAVING count(*) > (SELECT greatest(1, count(DISTINCT s.waba_id)) FROM embark.signups AS s WHERE s.business_id = e.thing)
                  + (SELECT count(*)
                       FROM embark.signups AS s
                       JOIN embark.audit AS u ON u.signup_id = s.id
                      WHERE s.business_id = e.thing AND u.action = 'resolve'
                        AND u.detail ->> 'failed_step' = 'share_credit_line'
                        AND u.detail ->> 'effect_happened' = 'false')
