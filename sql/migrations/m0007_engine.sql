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

-- As in m0004, for many outcomes at once and whatever the planner believes of the table: those without a number come from the
-- one index that has them in order (no other one has that order), and each row is found by its place. A plan that was made while the table was empty would
-- else read all of it for each row.
DROP INDEX embark.outcomes_unnumbered;
CREATE INDEX outcomes_unnumbered ON embark.outcomes (seq, id) WHERE seq IS NULL;
CREATE OR REPLACE FUNCTION embark.number_outcomes(max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off AS
$$
DECLARE
    fresh  tid[];
    newest bigint;
BEGIN
    -- Whoever does not get the lock leaves the work to the one who holds it. 1 is this lock's number within Embark.
    IF NOT pg_try_advisory_xact_lock(hashtext('embark'), 1) THEN
        RETURN 0;
    END IF;
    fresh := ARRAY (
        SELECT o.ctid FROM embark.outcomes AS o WHERE o.seq IS NULL ORDER BY o.seq, o.id LIMIT number_outcomes.max);
    IF cardinality(fresh) > 0 THEN
        SELECT coalesce(pg_catalog.max(o.seq), 0) INTO newest FROM embark.outcomes AS o;
        UPDATE embark.outcomes AS o
           SET seq = newest + f.number
          FROM unnest(fresh) WITH ORDINALITY AS f (place, number)
         WHERE o.ctid = f.place;
        PERFORM pg_notify('embark_outcomes', '');
    END IF;
    RETURN cardinality(fresh);
END
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT EXECUTE ON FUNCTION embark.delete_old_attempts TO embark_worker;
