-- Invariant 3: nobody is told "completed" for what did not happen. What the plan of a completed signup names has had its effect,
-- but for what an operator has skipped or vouched for, and for a test message that the signup's warnings tell about.
WITH step AS (
    SELECT s.id, s.waba_id, s.business_id, s.phone_number_id, s.warnings, s.test_message_id, p.step
      FROM embark.signups AS s
     CROSS JOIN LATERAL unnest(s.plan) AS p (step)
     WHERE s.state = 'completed'
)
SELECT t.id AS signup_id, format('it is completed, and %s had no effect that lasts', t.step) AS seen
  FROM step AS t
 WHERE CASE t.step
           WHEN 'exchange_code' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'exchange_code' AND e.thing = t.waba_id)
               AND NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'recover_token' AND e.thing = t.business_id)
           WHEN 'subscribe_app' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'subscribe_app' AND e.thing = t.waba_id)
           WHEN 'assign_system_user' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'assign_system_user' AND e.thing = t.waba_id)
           WHEN 'share_credit_line' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'share_credit_line' AND e.thing = t.waba_id)
           WHEN 'register_phone' THEN
               coalesce((SELECT max(e.n) FROM ledger AS e
                          WHERE e.effect = 'register_phone' AND e.thing = t.phone_number_id), 0)
               <= coalesce((SELECT max(e.n) FROM ledger AS e
                             WHERE e.effect = 'deregister_phone' AND e.thing = t.phone_number_id), 0)
           WHEN 'sync_contacts' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'sync_app_data' AND e.thing = t.phone_number_id)
           WHEN 'sync_history' THEN
               NOT EXISTS (SELECT FROM ledger AS e WHERE e.effect = 'sync_app_data' AND e.thing = t.phone_number_id)
           WHEN 'send_test_message' THEN
               NOT t.warnings && '{test_message_failed,test_message_uncertain}'
               AND NOT EXISTS (SELECT FROM ledger AS e WHERE e.signup_id = t.id AND e.message_id = t.test_message_id)
           ELSE false END
   AND NOT EXISTS (SELECT FROM embark.audit AS u
                    WHERE u.signup_id = t.id AND u.detail ->> 'failed_step' = t.step
                      AND (u.action = 'skip' OR (u.action = 'resolve' AND u.detail ->> 'effect_happened' = 'true')))
