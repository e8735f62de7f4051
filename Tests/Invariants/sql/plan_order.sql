-- Invariant 4: a step runs only when the one before it in the plan is done, so by induction when all are. The first step of a
-- later generation is one that an operator or the customer's renewal has named.
WITH ran AS (
    SELECT a.signup_id, a.generation, a.step, min(a.started_at) AS begun,
           min(a.finished_at) FILTER (WHERE a.verdict = 'done'
                                         OR (a.step = 'send_test_message' AND a.verdict IN ('fail', 'uncertain'))) AS done
      FROM embark.attempts AS a
     WHERE a.verdict <> 'stale'
     GROUP BY a.signup_id, a.generation, a.step
     UNION ALL
    -- The step at which it stands: nothing of it may be on record yet.
    SELECT j.signup_id, s.generation, j.step, 'infinity', NULL
      FROM embark.jobs AS j
      JOIN embark.signups AS s ON s.id = j.signup_id
     WHERE NOT EXISTS (SELECT FROM embark.attempts AS a
                        WHERE a.signup_id = j.signup_id AND a.generation = s.generation AND a.step = j.step
                          AND a.verdict <> 'stale')
), placed AS (
    SELECT r.signup_id, r.generation, r.step, r.begun, r.done, array_position(s.plan, r.step) AS place, s.plan
      FROM ran AS r
      JOIN embark.signups AS s ON s.id = r.signup_id
), chained AS (
    SELECT p.signup_id, p.generation, p.step, p.begun, p.place, p.plan,
           lag(p.place) OVER w AS place_before, lag(p.done) OVER w AS done_before
      FROM placed AS p
    WINDOW w AS (PARTITION BY p.signup_id, p.generation ORDER BY p.place)
)
SELECT c.signup_id,
       CASE WHEN c.place IS NULL THEN format('%s ran, which its plan does not have', c.step)
            WHEN c.place_before IS NULL THEN format('generation %s began with %s, which nobody has named', c.generation, c.step)
            ELSE format('%s in generation %s began at %s, and %s was done %s', c.step, c.generation, c.begun,
                        c.plan[c.place - 1],
                        CASE WHEN c.place_before = c.place - 1 AND c.done_before IS NOT NULL THEN 'at ' || c.done_before
                             ELSE 'never' END) END AS seen
  FROM chained AS c
 WHERE CASE WHEN c.place IS NULL THEN true
            WHEN c.place_before IS NOT NULL THEN
                c.place_before <> c.place - 1 OR c.done_before IS NULL
                OR c.begun < c.done_before - interval '1 millisecond'
            WHEN c.generation = 1 THEN c.place <> 1
            ELSE NOT EXISTS (SELECT FROM embark.audit AS u
                              WHERE u.signup_id = c.signup_id
                                AND ((u.action = 'renew' AND c.place = 1)
                                     OR c.step IN (u.detail ->> 'from_step', u.detail ->> 'goes_on_at'))) END
 UNION ALL
SELECT s.id, format('it is completed, and %s is neither done nor skipped', p.step)
  FROM embark.signups AS s
 CROSS JOIN LATERAL unnest(s.plan) AS p (step)
 WHERE s.state = 'completed'
   AND NOT EXISTS (SELECT FROM embark.attempts AS a
                    WHERE a.signup_id = s.id AND a.step = p.step
                      AND (a.verdict = 'done' OR (a.step = 'send_test_message' AND a.verdict IN ('fail', 'uncertain'))))
   AND NOT EXISTS (SELECT FROM embark.audit AS u
                    WHERE u.signup_id = s.id AND u.detail ->> 'failed_step' = p.step
                      AND (u.action = 'skip' OR (u.action = 'resolve' AND u.detail ->> 'effect_happened' = 'true')))
