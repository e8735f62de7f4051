-- What the engine needs besides: how often a job was interrupted, and a bounded way to delete old history.

-- Executions of the step that began and whose worker was never heard of again. A job that ends its worker, again and again,
-- must not end them all.
ALTER TABLE embark.jobs
    ADD COLUMN interrupted smallint NOT NULL DEFAULT 0;

-- Deletes attempts that are older than so many days, at most so many, and returns how many. The oldest rows are found by the
-- BRIN index, which needs a bitmap scan; workers turn those off in their sessions.
CREATE FUNCTION embark.delete_old_attempts(days integer, rows_max integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, embark, pg_temp SET enable_bitmapscan = on SET enable_seqscan = off AS
$$
DECLARE
    deleted integer;
BEGIN
    DELETE FROM embark.attempts AS a
     WHERE a.ctid = ANY (ARRAY (
           SELECT o.ctid
             FROM embark.attempts AS o
            WHERE o.finished_at < now() - make_interval(days => days)
            LIMIT rows_max));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT EXECUTE ON FUNCTION embark.delete_old_attempts TO embark_worker;
