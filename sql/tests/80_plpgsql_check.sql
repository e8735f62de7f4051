-- plpgsql_check reads every PL/pgSQL function of the schema: what would only fail, or be slow, on a path that no test takes.
BEGIN;
SET client_min_messages = warning;

SELECT plan(3);

CREATE SCHEMA test;
-- A trigger function is read once for each table that it stands on.
CREATE FUNCTION test.findings(schema regnamespace) RETURNS SETOF text LANGUAGE sql AS
$$
SELECT format('%s line %s: %s %s', p.oid::regprocedure, f.lineno, f.level, f.message)
  FROM pg_proc AS p
  JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
  LEFT JOIN (SELECT DISTINCT tgfoid, tgrelid FROM pg_trigger) AS t ON t.tgfoid = p.oid
 CROSS JOIN plpgsql_check_function_tb(p.oid, coalesce(t.tgrelid, 0), fatal_errors => false, extra_warnings => true,
                                      performance_warnings => true, security_warnings => true) AS f
 WHERE p.pronamespace = schema
   -- It touches no table, but it does raise: were it IMMUTABLE, a planner could call it ahead of time.
   AND NOT (p.proname = 'raise_refusal' AND f.message = 'routine is marked as VOLATILE, should be IMMUTABLE')
$$;

SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc AS p
       WHERE p.pronamespace = 'embark'::regnamespace AND p.prorettype = 'trigger'::regtype
         AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)$$,
    'every trigger function stands on a table, without which it could not be read');
SELECT is_empty('SELECT test.findings(''embark'')', 'plpgsql_check finds nothing in the functions of the schema');

-- That it would.
CREATE FUNCTION test.wrong() RETURNS void LANGUAGE plpgsql AS
$$ DECLARE unused integer; BEGIN PERFORM s.no_such_column FROM embark.signups AS s; END $$;
SELECT isnt_empty('SELECT test.findings(''test'')', 'plpgsql_check finds a column that does not exist');

SELECT * FROM finish();
ROLLBACK;
