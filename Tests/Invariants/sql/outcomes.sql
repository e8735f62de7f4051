-- Invariant 1: each end has one outcome. An earlier generation has failed, or nobody could have replayed it; a signup that is
-- cancelled may have failed in the same generation.
WITH told AS (
    SELECT o.signup_id, o.generation,
           count(*) FILTER (WHERE o.type = 'signup.completed') AS completed,
           count(*) FILTER (WHERE o.type = 'signup.failed') AS failed,
           count(*) FILTER (WHERE o.type = 'signup.cancelled') AS cancelled
      FROM embark.outcomes AS o
     GROUP BY o.signup_id, o.generation
), ended AS (
    SELECT s.id AS signup_id, g.generation,
           CASE WHEN g.generation < s.generation THEN 'failed' ELSE s.state::text END AS state
      FROM embark.signups AS s
     CROSS JOIN LATERAL generate_series(1, s.generation) AS g (generation)
)
SELECT coalesce(e.signup_id, t.signup_id) AS signup_id,
       format('generation %s is %s, and its outcomes are: completed %s, failed %s, cancelled %s',
              coalesce(e.generation, t.generation), coalesce(e.state, 'of no signup'),
              coalesce(t.completed, 0), coalesce(t.failed, 0), coalesce(t.cancelled, 0)) AS seen
  FROM ended AS e
  FULL JOIN told AS t ON t.signup_id = e.signup_id AND t.generation = e.generation
 WHERE CASE e.state
           WHEN 'completed' THEN (coalesce(t.completed, 0), coalesce(t.failed, 0), coalesce(t.cancelled, 0)) <> (1, 0, 0)
           WHEN 'failed' THEN (coalesce(t.completed, 0), coalesce(t.failed, 0), coalesce(t.cancelled, 0)) <> (0, 1, 0)
           WHEN 'cancelled' THEN coalesce(t.cancelled, 0) <> 1 OR t.completed > 0 OR t.failed > 1
           -- One that runs, and one that does not exist.
           ELSE t.signup_id IS NOT NULL END
