-- Workers that live, or may: their presence is held, or they were seen within a minute. Which keys each has.
--   $1 integer how many at most
SELECT w.id, w.host, w.pid, w.version,
       ARRAY (SELECT k.id FROM unnest(w.key_ids) WITH ORDINALITY AS k (id, place) WHERE k.id IS NOT NULL ORDER BY k.place) AS key_ids
  FROM embark.workers AS w
 WHERE w.seen_at > clock_timestamp() - interval '1 minute'
    OR EXISTS (
       SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory'
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
          AND l.classid = 1164796498 AND l.objsubid = 2
          AND CASE WHEN w.id BETWEEN -2147483648 AND 2147483647 THEN l.objid = w.id::integer::oid END)
 ORDER BY w.id
 LIMIT $1::integer
