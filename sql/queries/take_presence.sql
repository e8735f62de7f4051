-- Holds the worker's presence for the length of the session: PostgreSQL lets go of it when the process dies. A session that
-- the worker itself has lost may still hold it, unknown to the server: it is ended.
--   $1 integer worker id
WITH lost AS (
    SELECT count(pg_terminate_backend(l.pid))
      FROM pg_locks AS l
     WHERE l.locktype = 'advisory'
       AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
       AND l.classid = 1164796498 AND l.objid = $1::integer::oid AND l.objsubid = 2
       AND l.pid <> pg_backend_pid()
)
SELECT pg_advisory_lock(1164796498, $1) FROM lost
