-- The inbox takes statements of many rows, by INSERT and by COPY: all rows or none, the first bad row named by its number,
-- and no value in the error or in the server's log.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

SELECT plan(43);

CREATE FUNCTION test.enqueued() RETURNS text LANGUAGE sql AS
$$
SELECT format('%s signups, %s secrets, %s jobs',
    (SELECT count(*) FROM embark.signups), (SELECT count(*) FROM embark.secrets), (SELECT count(*) FROM embark.jobs))
$$;

-- What a statement on the inbox ends with: the whole error, CONTEXT included, or 'accepted'.
CREATE FUNCTION test.error(statement text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    message text; detail text; hint text; context text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    -- This function's own line of CONTEXT holds the statement.
    RETURN concat_ws(E'\n', SQLSTATE, message, detail, hint, split_part(context, E'\nSQL statement "' || statement, 1));
END
$$;

-- The view as it is seen.
SELECT is(
    (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
       FROM pg_attribute WHERE attrelid = 'embark.signup_inbox'::regclass AND attnum > 0),
    'id bigint, code text, waba_id text, phone_number_id text, business_id text, currency text, external_id text, flow text, '
    'pin text, test_recipient text, test_message text, code_issued_at text, redirect_uri text, data_localization_region text, '
    'webhook_override text, metadata text',
    'all columns of the inbox but id are text, so that PostgreSQL itself has nothing to refuse in them');
SELECT is(
    (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
      WHERE attrelid = 'embark.signup_inbox'::regclass AND attnum > 1),
    (SELECT proargnames FROM pg_proc WHERE oid = 'embark.enqueue_signup'::regproc),
    'the columns of the inbox behind id are the parameters of enqueue_signup, in their order');
SELECT is((SELECT count(*)::integer FROM embark.signup_inbox), 0, 'the inbox shows no row');
SELECT throws_ok($$UPDATE embark.signup_inbox SET code = 'x'$$, '55000', NULL, 'the inbox cannot be updated');
SELECT throws_ok($$DELETE FROM embark.signup_inbox$$, '55000', NULL, 'the inbox cannot be deleted from');

-- INSERT
CREATE TEMPORARY TABLE returned (place integer GENERATED ALWAYS AS IDENTITY, id bigint);
WITH entered AS (
    INSERT INTO embark.signup_inbox (code, currency, external_id)
    VALUES ('c1', 'USD', 'first'), ('c2', 'USD', 'second'), ('c3', 'USD', 'third')
    RETURNING id)
INSERT INTO returned (id) SELECT id FROM entered;
SELECT is(
    ARRAY(SELECT s.external_id::text FROM returned AS r JOIN embark.signups AS s USING (id) ORDER BY r.place),
    ARRAY['first', 'second', 'third'],
    'an INSERT of several rows returns their ids in the order of the rows');
SELECT is(test.enqueued(), '3 signups, 3 secrets, 3 jobs', 'an INSERT of several rows enqueues each');
SELECT lives_ok(
    $$INSERT INTO embark.signup_inbox (code, currency) SELECT 'code-' || n, 'EUR' FROM generate_series(1, 500) AS n$$,
    'an INSERT from a SELECT is accepted');
SELECT is(test.enqueued(), '503 signups, 503 secrets, 503 jobs', 'an INSERT from a SELECT enqueues each of its rows');
SELECT lives_ok(
    $$INSERT INTO embark.signup_inbox (code) SELECT 'x' WHERE false$$, 'an INSERT without a row is accepted and does nothing');
SELECT is(
    test.error($$INSERT INTO embark.signup_inbox (code, currency) VALUES ('x', 'USD') ON CONFLICT DO NOTHING$$), 'accepted',
    'the ON CONFLICT DO NOTHING that some libraries always send is accepted');
SELECT is(test.enqueued(), '504 signups, 504 secrets, 504 jobs', 'and it enqueues');
TRUNCATE returned;
WITH entered AS (
    INSERT INTO embark.signup_inbox (code, currency, external_id)
    VALUES ('cd', 'USD', 'twice'), ('cd', 'USD', 'twice')
    RETURNING id)
INSERT INTO returned (id) SELECT id FROM entered;
SELECT is(
    ARRAY(SELECT s.external_id::text FROM returned AS r JOIN embark.signups AS s USING (id) ORDER BY r.place),
    ARRAY['twice', 'twice'],
    'the same signup twice in one statement is one signup, and both rows return its id');
SELECT is(test.enqueued(), '505 signups, 505 secrets, 505 jobs', 'and one job');

-- A refused row, in each place; and through statements of more than one part.
CREATE TABLE test.statements (place integer GENERATED ALWAYS AS IDENTITY, what text, statement text, state text, bad_row integer);
INSERT INTO test.statements (what, statement, state, bad_row) VALUES
    ('the first of three rows', $$INSERT INTO embark.signup_inbox (code, currency, pin)
        VALUES ('CANARY', 'USD', '123'), ('CANARY', 'USD', NULL), ('CANARY', 'USD', NULL)$$, '22023', 1),
    ('the middle one of three rows', $$INSERT INTO embark.signup_inbox (code, currency, pin)
        VALUES ('CANARY', 'USD', NULL), ('CANARY', 'USD', '123'), ('CANARY', 'USD', NULL)$$, '22023', 2),
    ('the last of three rows', $$INSERT INTO embark.signup_inbox (code, currency, pin)
        VALUES ('CANARY', 'USD', NULL), ('CANARY', 'USD', NULL), ('CANARY', 'USD', '123')$$, '22023', 3),
    ('two bad rows, the first of which is named', $$INSERT INTO embark.signup_inbox (code, currency, pin)
        VALUES ('CANARY', 'USD', NULL), ('CANARY', 'USD', '123'), (NULL, 'USD', NULL)$$, '22023', 2),
    ('an id of the caller''s own', $$INSERT INTO embark.signup_inbox (id, code, currency)
        VALUES (NULL, 'CANARY', 'USD'), (4711, 'CANARY', 'USD')$$, '22023', 2),
    ('a bad row of an INSERT from a SELECT', $$INSERT INTO embark.signup_inbox (code, currency)
        SELECT 'CANARY', CASE WHEN n = 250 THEN 'CANARY' ELSE 'USD' END FROM generate_series(1, 500) AS n$$, '22023', 250),
    ('an external id with other content, earlier in the statement', $$INSERT INTO embark.signup_inbox (code, currency, external_id)
        VALUES ('CANARY', 'USD', 'CANARY'), ('CANARY other', 'USD', 'CANARY')$$, '23505', 2),
    ('a bad row that is returned', $$INSERT INTO embark.signup_inbox (code, currency)
        VALUES ('CANARY', 'USD'), ('CANARY', 'CANARY') RETURNING id$$, '22023', 2),
    ('a bad row that DO NOTHING might hide', $$INSERT INTO embark.signup_inbox (code, currency)
        VALUES ('CANARY', 'CANARY') ON CONFLICT DO NOTHING$$, '22023', 1),
    ('a JSON text that cannot be read', $$INSERT INTO embark.signup_inbox (code, currency, metadata)
        VALUES ('CANARY', 'USD', '{}'), ('CANARY', 'USD', '{"CANARY": ')$$, '22023', 2);
SELECT matches(
    test.error(statement),
    format(E'^%s\n[^\n]+\nIt is row %s of the statement, which enqueued nothing\\.\n', state, bad_row),
    'the error names the row: ' || what)
  FROM test.statements ORDER BY place;
SELECT unalike(
    lower(string_agg(test.error(statement), E'\n')), '%canary%', 'no error of a refused INSERT shows a value, CONTEXT included')
  FROM test.statements;
SELECT matches(
    test.error($$WITH one AS (INSERT INTO embark.signup_inbox (code, currency) VALUES ('a', 'bad') RETURNING id),
                      two AS (INSERT INTO embark.signup_inbox (code, currency) VALUES ('b', 'USD') RETURNING id)
                 SELECT id FROM one UNION ALL SELECT id FROM two$$),
    E'^22023\ncurrency must', 'a refusal in one of two INSERTs of a statement is not lost in the other');
-- A row of one statement may be made by a function that uses the inbox itself.
CREATE FUNCTION test.another() RETURNS text LANGUAGE sql AS
$$ INSERT INTO embark.signup_inbox (code, currency) VALUES ('inner', 'USD') RETURNING id::text $$;
SELECT matches(
    test.error($$INSERT INTO embark.signup_inbox (code, currency, external_id)
                 VALUES ('a', 'bad', NULL), ('b', 'USD', test.another()), ('c', 'bad', NULL)$$),
    E'^22023\ncurrency must [^\n]+\nIt is row 1 of',
    'a refusal is not lost when a later row''s value enqueues another signup, and the row''s number is its own');
SELECT is(
    test.error($$INSERT INTO embark.signup_inbox (code, currency, external_id)
                 VALUES ('a', 'USD', NULL), ('b', 'USD', test.another())$$), 'accepted',
    'a row whose value enqueues another signup is accepted');
SELECT is(test.enqueued(), '508 signups, 508 secrets, 508 jobs', 'refused INSERTs have enqueued nothing');

-- COPY, as the server runs it: its CONTEXT would hold the line.
CREATE FUNCTION test.copy_error(columns text, lines text) RETURNS text LANGUAGE sql AS
$$
-- printf of the shell makes the tabs and line ends.
SELECT test.error(format('COPY embark.signup_inbox (%s) FROM PROGRAM %L', columns, 'printf ''' || lines || ''''))
$$;
SELECT is(
    test.copy_error('code, currency, external_id, test_message, metadata', 'c1\tUSD\tcopied 1\t\\N\t{"n": 1}\nc2\tEUR\tcopied 2\t\\N\t\\N\n'),
    'accepted', 'COPY is accepted');
SELECT is(test.enqueued(), '510 signups, 510 secrets, 510 jobs', 'COPY enqueues each line');
CREATE TABLE test.copies (place integer GENERATED ALWAYS AS IDENTITY, what text, columns text, lines text, error text);
INSERT INTO test.copies (what, columns, lines, error) VALUES
    ('a bad value in the middle', 'code, currency', 'CANARY\tUSD\nCANARY\tCANARY\nCANARY\tUSD\n', E'22023\ncurrency must'),
    ('a bad value in the last line', 'code, currency, pin', 'CANARY\tUSD\t\\N\nCANARY\tUSD\t91827\n', E'22023\npin must'),
    ('a time that cannot be read', 'code, currency, code_issued_at', 'CANARY\tUSD\t\\N\nCANARY\tUSD\tCANARY\n',
        E'22023\ncode_issued_at must'),
    ('JSON that cannot be read', 'code, currency, metadata', 'CANARY\tUSD\t\\N\nCANARY\tUSD\t{"CANARY": \n', E'22023\nmetadata must'),
    ('a used external id', 'code, currency, external_id', 'CANARY\tUSD\t\\N\nCANARY\tUSD\tfirst\n', E'23505\nexternal_id is');
SELECT matches(
    test.copy_error(columns, lines), format(E'^%s [^\n]+\nIt is row 2 of the statement, which enqueued nothing\\.\n', error),
    'COPY names the row: ' || what)
  FROM test.copies ORDER BY place;
SELECT unalike(
    string_agg(test.copy_error(columns, lines), E'\n'), '%COPY%', 'no error of a refused COPY has COPY''s own CONTEXT, which is the line')
  FROM test.copies;
SELECT unalike(
    string_agg(test.copy_error(columns, lines), E'\n'), '%CANARY%', 'no error of a refused COPY shows a value')
  FROM test.copies;
SELECT is(test.enqueued(), '510 signups, 510 secrets, 510 jobs', 'a refused COPY has enqueued nothing');

-- COPY as a client sends it.
COPY embark.signup_inbox (code, currency, external_id, metadata) FROM STDIN;
AQBh-1	USD	bulk-1	{"n": 1}
AQBh-2	EUR	bulk-2	\N
AQBh-3	INR	bulk-3	{"text": "a\\nb"}
\.
SELECT is(
    ARRAY(SELECT concat_ws(' ', external_id, currency, metadata) FROM embark.signups WHERE external_id LIKE 'bulk-%' ORDER BY id),
    ARRAY['bulk-1 USD {"n": 1}', 'bulk-2 EUR {}', 'bulk-3 INR {"text": "a\nb"}'],
    'COPY FROM STDIN enqueues each line');
-- What the server's log holds already is not this copy's.
SELECT coalesce((pg_stat_file('server.log', true)).size, 0) AS log_before \gset
SAVEPOINT before_bad_copy;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
-- psql 15 keeps no SQLSTATE of a COPY that failed; the statement behind it finds the transaction aborted. These two errors
-- are seen when this file runs.
COPY embark.signup_inbox (code, currency, external_id) FROM STDIN WITH (FORMAT csv);
WARBLER-1,USD,bulk-4
WARBLER-2,WARBLER,bulk-5
WARBLER-3,USD,bulk-6
\.
SELECT;
\set ON_ERROR_STOP on
\set VERBOSITY default
ROLLBACK TO before_bad_copy;
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '25P02', 'COPY FROM STDIN with a bad line in the middle is refused');
SELECT is(test.enqueued(), '513 signups, 513 secrets, 513 jobs', 'COPY FROM STDIN with a bad line enqueues nothing');
-- Where the server's log is, is the server's business: without it there is nothing to see.
SELECT CASE WHEN log IS NULL THEN skip('the server''s log is not beside its data', 1)
       ELSE ok(log LIKE '%currency must be one%' AND strpos(log, 'WARBLER') = 0,
           'the server''s log has the refusal of the bad line, and no value of any line') END
  FROM pg_read_file('server.log', :log_before, 1000000, true) AS log;

SELECT * FROM finish();
ROLLBACK;
