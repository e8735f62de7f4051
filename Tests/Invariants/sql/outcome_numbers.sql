-- Invariant 7: outcomes are numbered from 1 without a gap, and those of a signup in the order in which it came to them.
SELECT NULL::bigint AS signup_id,
       format('%s outcomes have the numbers from %s to %s', count(*), min(o.seq), max(o.seq)) AS seen
  FROM embark.outcomes AS o
 WHERE o.seq IS NOT NULL
HAVING count(*) > 0 AND (min(o.seq) <> 1 OR max(o.seq) <> count(*))
 UNION ALL
SELECT o.signup_id, format('the outcome of generation %s has number %s, behind a later one''s %s', o.generation, o.seq,
                           o.seq_after)
  FROM (SELECT p.signup_id, p.generation, p.seq,
               lead(p.seq) OVER (PARTITION BY p.signup_id ORDER BY p.generation, p.id) AS seq_after
          FROM embark.outcomes AS p
         WHERE p.seq IS NOT NULL) AS o
 WHERE o.seq > o.seq_after
