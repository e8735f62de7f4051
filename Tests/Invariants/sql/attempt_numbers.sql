-- Invariant 7: the attempts of a step are numbered from 1 and never backwards. Numbers may be missing, for an execution whose worker
-- died leaves none, and may repeat, for one that did not count is made again. Generations only grow.
SELECT o.signup_id,
       CASE WHEN o.attempt < 1 OR o.generation < 1 OR o.generation > o.newest THEN
                format('attempt %s of %s in generation %s cannot be: the signup is at %s', o.attempt, o.step, o.generation,
                       coalesce('generation ' || o.newest, 'no generation'))
            WHEN o.attempt < o.attempt_before THEN
                format('attempt %s of %s came after attempt %s, in generation %s', o.attempt, o.step, o.attempt_before,
                       o.generation)
            WHEN o.generation < o.generation_before THEN
                format('%s ran in generation %s after generation %s had begun', o.step, o.generation, o.generation_before)
            ELSE format('%s ended before it began', o.step) END AS seen
  FROM (SELECT a.signup_id, a.generation, a.step, a.attempt, s.generation AS newest, a.started_at, a.finished_at,
               lag(a.attempt) OVER (PARTITION BY a.signup_id, a.generation, a.step ORDER BY a.finished_at) AS attempt_before,
               lag(a.generation) OVER (PARTITION BY a.signup_id ORDER BY a.finished_at) AS generation_before
          FROM embark.attempts AS a
          LEFT JOIN embark.signups AS s ON s.id = a.signup_id
         WHERE a.verdict <> 'stale') AS o
 WHERE o.newest IS NULL OR o.attempt < 1 OR o.generation < 1 OR o.generation > o.newest OR o.attempt < o.attempt_before
    OR o.generation < o.generation_before OR o.finished_at < o.started_at
