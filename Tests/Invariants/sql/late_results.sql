-- Invariant 2: what a late result has told and nobody can ask for again is kept. A stale attempt without an error is one that
-- would have been done.
SELECT a.signup_id, format('a late result of %s was good, and no %s is kept', a.step, k.fact) AS seen
  FROM embark.attempts AS a
  JOIN embark.signups AS s ON s.id = a.signup_id
  LEFT JOIN embark.secrets AS x ON x.signup_id = a.signup_id
  JOIN (VALUES ('exchange_code', 'token'), ('share_credit_line', 'allocation'), ('send_test_message', 'message id'))
       AS k (step, fact) ON k.step = a.step
 WHERE a.verdict = 'stale' AND a.error_code IS NULL
   AND CASE a.step WHEN 'exchange_code' THEN x.sealed_token
                   WHEN 'share_credit_line' THEN s.allocation_config_id
                   ELSE s.test_message_id END IS NULL
