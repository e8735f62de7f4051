-- Every argument of every function that upstream, operators and readers may call, with hostile values of its type: accepted, or
-- refused under its own name with no value shown. The functions and their arguments come from the catalogue, so that a new one is
-- tested as well.
BEGIN;
SET client_min_messages = warning;

CREATE SCHEMA test;
CREATE TABLE test.argument AS
SELECT DISTINCT p.oid, p.proname AS function, a.name, format_type(a.type, NULL) AS type, a.place
  FROM pg_proc AS p
 CROSS JOIN (VALUES ('embark_upstream'), ('embark_operator'), ('embark_reader')) AS r (role)
 CROSS JOIN LATERAL unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) WITH ORDINALITY AS a (name, type, place)
 WHERE p.pronamespace = 'embark'::regnamespace AND has_function_privilege(r.role, p.oid, 'EXECUTE');

CREATE TABLE test.hostile (type text, what text, value text);
INSERT INTO test.hostile
SELECT 'text', v.what, v.value
  FROM (VALUES
    ('nothing', NULL), ('an empty string', ''), ('blanks', '   '), ('a megabyte', repeat('CANARY', 174763)),
    ('what a terminal obeys', E'CANARY\x1b[2J\x07'), ('a control behind ASCII', E'CANARY\u009b31m'),
    ('two lines', E'CANARY\nCANARY'), ('a line separator', E'CANARY\u2028'), ('right to left', E'CANARY\u202eאב'),
    ('emoji', 'CANARY👩‍👩‍👧‍👦'), ('marks without end', 'CANARY' || repeat(E'\u0301', 5000)), ('digits of another script', '٤٨١٥١٦'),
    ('a statement', $$CANARY'; DROP TABLE embark.signups; --$$), ('a format', 'CANARY%s%n%1$I'), ('a path', '../../CANARY'),
    ('a pattern', '(CANARY+)+$'), ('an escaped NUL', 'CANARY\u0000'), ('NaN', 'NaN'), ('the word of a signup', 'canary-name')
  ) AS v (what, value)
UNION ALL
SELECT t.type, v.what, v.value
  FROM (VALUES ('bigint', '-9223372036854775808', '9223372036854775807'), ('integer', '-2147483648', '2147483647')) AS t (type, least, most)
 CROSS JOIN LATERAL (VALUES ('nothing', NULL), ('zero', '0'), ('minus one', '-1'), ('the least', t.least), ('the most', t.most)) AS v (what, value)
UNION ALL
SELECT 'boolean', v.what, v.value FROM (VALUES ('nothing', NULL), ('true', 'true'), ('false', 'false')) AS v (what, value)
UNION ALL
SELECT 'timestamp with time zone', coalesce(v, 'nothing'), v
  FROM unnest(ARRAY[NULL, 'infinity', '-infinity', '1900-01-01Z', '9999-12-31Z', '4713-01-01 00:00Z BC', '294276-12-31 23:59Z']) AS v
UNION ALL
SELECT 'jsonb', v.what, v.value
  FROM (VALUES ('nothing', NULL), ('a JSON null', 'null'), ('a list', '["CANARY"]'), ('a text', '"CANARY"'), ('a number', '1e1000'),
               ('another object', '{"CANARY": "CANARY"}'), ('a megabyte', '{"a": "' || repeat('CANARY', 174763) || '"}'),
               ('5,000 levels', repeat('[', 5000) || repeat(']', 5000)),
               ('what a terminal obeys', '{"override_callback_uri": "CANARY\u001b\u202e", "verify_token": "CANARY\u001b"}')
  ) AS v (what, value);
SELECT plan((SELECT count(*) FROM test.argument)::integer + 1);
SELECT is((SELECT string_agg(DISTINCT a.type, ', ') FROM test.argument AS a WHERE a.type NOT IN (SELECT h.type FROM test.hostile AS h)), NULL,
    'there are hostile values of every type');

-- One that failed and may be renewed, replayed, skipped, resolved, mended and cancelled.
SELECT embark.enqueue_signup(code => 'c', waba_id => '1', phone_number_id => '2', currency => 'USD', external_id => 'canary-name');
DELETE FROM embark.jobs;
UPDATE embark.signups SET state = 'failed', failed_step = 'share_credit_line', waiting_on = 'customer', error_code = 'effect_uncertain';

-- The other arguments of a call: those without a default, and who acts.
CREATE TABLE test.given AS
SELECT v.name, v.value
  FROM (VALUES ('code', 'c'), ('external_id', 'canary-name'), ('signup_id', (SELECT max(s.id)::text FROM embark.signups AS s)),
               ('effect_happened', 'true'), ('scope', 'waba:1'), ('until', (now() + interval '1 hour')::text), ('currency', 'USD'),
               ('after_signup', '0'), ('rows_max', '10')) AS v (name, value);

-- NULL, or what is wrong with the answer to one call. What it has done is undone.
CREATE FUNCTION test.wrong(called test.argument, value text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    arguments text; field text; message text; detail text; hint text; context text; state text; origin text;
    began timestamptz := clock_timestamp();
BEGIN
    -- Values travel as parameters: the text of a failing statement stands in CONTEXT.
    SELECT string_agg(format('%I => ($1 ->> %L)::%s', a.name, a.name, a.type), ', ') INTO arguments
      FROM test.argument AS a
     WHERE a.oid = called.oid AND (a.name = called.name OR a.name IN (SELECT g.name FROM test.given AS g));
    EXECUTE format('SELECT count(*) FROM embark.%I(%s) AS r', called.function, arguments)
      USING (SELECT jsonb_object_agg(g.name, g.value) FROM test.given AS g) || jsonb_build_object(called.name, value);
    RAISE EXCEPTION USING ERRCODE = 'T0000', MESSAGE = 'accepted', SCHEMA = 'test';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, origin = SCHEMA_NAME, field = COLUMN_NAME,
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN nullif(concat_ws(', ',
        CASE WHEN clock_timestamp() - began > interval '2 s' THEN 'takes long' END,
        CASE WHEN concat(message, detail, hint, context) LIKE '%CANARY%' THEN 'shows the value' END,
        CASE WHEN state = 'T0000' AND origin = 'test' THEN NULL
             WHEN origin <> 'embark' OR state NOT IN ('22023', '23505', 'P0002', '55000') THEN 'ends with ' || state || ' ' || message
             WHEN message !~ ('^' || field || '[ .]') THEN 'names no field: ' || message
             -- A rule about the signup as it stands, or about two fields at once, may name another one.
             WHEN field <> called.name AND state = '22023' AND field NOT IN (SELECT a.name FROM test.argument AS a WHERE a.oid = called.oid)
                 THEN 'names ' || field END), '');
END
$$;

SELECT is(
    (SELECT string_agg(w.what || ' ' || w.wrong, '; ')
       FROM (SELECT h.what, test.wrong(a, h.value) AS wrong FROM test.hostile AS h WHERE h.type = a.type) AS w
      WHERE w.wrong IS NOT NULL),
    NULL,
    a.function || ' takes or refuses any ' || a.name)
  FROM test.argument AS a
 ORDER BY a.function, a.place;

SELECT * FROM finish();
ROLLBACK;
