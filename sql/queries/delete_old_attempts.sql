-- Deletes history that is older than the retention, in bounded batches; one process at a time. Returns how many rows.
--   $1 integer days   $2 integer how many at most
SELECT CASE WHEN pg_try_advisory_xact_lock(hashtext('embark retention')) THEN embark.delete_old_attempts($1, $2) ELSE 0 END
