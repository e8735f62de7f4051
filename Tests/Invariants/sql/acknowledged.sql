-- Invariant 1: whoever was given an id by a commit that was acknowledged finds that signup.
SELECT k.id AS signup_id, 'its enqueueing was acknowledged, and there is no such signup' AS seen
  FROM acknowledged AS k
  LEFT JOIN embark.signups AS s ON s.id = k.id
 WHERE s.id IS NULL
