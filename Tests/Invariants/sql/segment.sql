-- The history between two times, in a number that no order of rows changes, by table. Outcomes without their numbers, which come
-- later.
--   $1 text the table   $2 timestamptz after   $3 timestamptz until
SELECT count(*), coalesce(sum(hashtextextended(r.line, 0)::numeric), 0)::text
  FROM (SELECT a::text AS line FROM embark.attempts AS a
         WHERE $1 = 'attempts' AND a.finished_at > $2 AND a.finished_at <= $3
         UNION ALL
        SELECT (to_jsonb(o) - 'seq')::text FROM embark.outcomes AS o WHERE $1 = 'outcomes' AND o.at > $2 AND o.at <= $3
         UNION ALL
        SELECT u::text FROM embark.audit AS u WHERE $1 = 'audit' AND u.at > $2 AND u.at <= $3) AS r
