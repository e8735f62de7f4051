-- Workers that are listed and whose presence nobody holds: dead, or cut off. One look proves nothing, two do. An id that no lock
-- can have is nobody's.
--   $1 bigint own id
SELECT w.id
  FROM embark.workers AS w
 WHERE w.id <> $1
   AND NOT EXISTS (
       SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory'
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
          AND l.classid = 1164796498 AND l.objsubid = 2
          AND CASE WHEN w.id BETWEEN -2147483648 AND 2147483647 THEN l.objid = w.id::integer::oid END)
