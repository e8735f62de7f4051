-- Whether the server refuses a statement with the word of the append-only triggers.
CREATE FUNCTION pg_temp.is_refused(statement text) RETURNS boolean LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE statement;
    RETURN false;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN SQLERRM LIKE '%append-only%';
END
$$;
