-- How a signup's end reaches upstream: outcomes are numbered when they have committed, read in pages, and never changed; the
-- token is given out sealed.
BEGIN;
SET client_min_messages = warning;

SELECT plan(40);

SELECT is(
    pg_get_function_result('embark.outcomes_since'::regproc),
    'TABLE(seq bigint, signup_id bigint, external_id text, generation integer, type text, error_code text, waiting_on text, '
    'at timestamp with time zone, metadata jsonb)',
    'outcomes_since returns these columns, in this order');
SELECT is(pg_get_function_arguments('embark.outcomes_since'::regproc), 'cursor bigint DEFAULT 0, max integer DEFAULT 1000',
    'outcomes_since takes a cursor and a maximum, from the beginning and 1,000 by default');

SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'x' || n, metadata => jsonb_build_object('n', n))
  FROM generate_series(1, 3) AS n;
INSERT INTO embark.outcomes (signup_id, generation, type, error_code, waiting_on, at) VALUES
    (1, 1, 'signup.failed', '100/36007', 'customer', '2026-05-01 00:00:00+00'),
    (2, 1, 'signup.completed', NULL, NULL, '2026-04-01 00:00:00+00'),
    (3, 1, 'signup.cancelled', NULL, NULL, '2026-03-01 00:00:00+00'),
    (1, 2, 'signup.completed', NULL, NULL, '2026-06-01 00:00:00+00');

SELECT is_empty('SELECT * FROM embark.outcomes_since(0)', 'outcomes without a number are not shown');
SELECT is(embark.number_outcomes(3), 3, 'number_outcomes numbers no more than it was asked to, and says how many');
SELECT is(
    ARRAY(SELECT concat_ws(' ', seq, signup_id, generation) FROM embark.outcomes_since(0)), ARRAY['1 1 1', '2 2 1', '3 3 1'],
    'numbers begin at 1, in the order of the outcomes');
SELECT is(embark.number_outcomes(3), 1, 'number_outcomes goes on with those that are left');
SELECT is(embark.number_outcomes(3), 0, 'number_outcomes says so when none is left');
SELECT is(embark.number_outcomes(0), 0, 'number_outcomes may be asked for none');
SELECT is(
    to_jsonb(o),
    '{"seq": 1, "signup_id": 1, "external_id": "x1", "generation": 1, "type": "signup.failed", "error_code": "100/36007",
      "waiting_on": "customer", "at": "2026-05-01T00:00:00+00:00", "metadata": {"n": 1}}'::jsonb,
    'a failure says why, whose move it is, and what upstream handed in')
  FROM embark.outcomes_since(0, 1) AS o;
SELECT is(
    to_jsonb(o),
    '{"seq": 2, "signup_id": 2, "external_id": "x2", "generation": 1, "type": "signup.completed", "error_code": null,
      "waiting_on": null, "at": "2026-04-01T00:00:00+00:00", "metadata": {"n": 2}}'::jsonb,
    'a completion has no error')
  FROM embark.outcomes_since(1, 1) AS o;

-- Pages.
CREATE SCHEMA test;
CREATE TABLE test.pages (place integer GENERATED ALWAYS AS IDENTITY, what text, page bigint[], expected bigint[]);
INSERT INTO test.pages (what, page, expected) VALUES
    ('by default begins at the first', ARRAY(SELECT seq FROM embark.outcomes_since()), '{1,2,3,4}'),
    ('has no more than the maximum', ARRAY(SELECT seq FROM embark.outcomes_since(0, 2)), '{1,2}'),
    ('goes on behind the cursor', ARRAY(SELECT seq FROM embark.outcomes_since(2, 2)), '{3,4}'),
    ('is short at the end', ARRAY(SELECT seq FROM embark.outcomes_since(3, 2)), '{4}'),
    ('is empty behind the end', ARRAY(SELECT seq FROM embark.outcomes_since(4, 2)), '{}'),
    ('is empty far behind the end', ARRAY(SELECT seq FROM embark.outcomes_since(9223372036854775807, 2)), '{}'),
    ('begins at the first without a cursor', ARRAY(SELECT seq FROM embark.outcomes_since(NULL, 2)), '{1,2}'),
    ('begins at the first for a negative cursor', ARRAY(SELECT seq FROM embark.outcomes_since(-1, 2)), '{1,2}'),
    ('is empty for a maximum of 0', ARRAY(SELECT seq FROM embark.outcomes_since(0, 0)), '{}'),
    ('is empty for a negative maximum', ARRAY(SELECT seq FROM embark.outcomes_since(0, -5)), '{}'),
    ('is chosen by named arguments', ARRAY(SELECT seq FROM embark.outcomes_since(cursor => 1, max => 1)), '{2}');
SELECT is(page, expected, 'a page ' || what) FROM test.pages ORDER BY place;

-- Many.
INSERT INTO embark.outcomes (signup_id, generation, type) SELECT 2, n, 'signup.completed' FROM generate_series(2, 10101) AS n;
SELECT is(embark.number_outcomes(1000000), 10100, 'number_outcomes numbers many at once');
SELECT results_eq(
    'SELECT min(seq), max(seq), count(DISTINCT seq), count(*) FROM embark.outcomes',
    'SELECT 1::bigint, 10104::bigint, 10104::bigint, 10104::bigint', 'the numbers have no gap and no repetition');
SELECT is((SELECT count(*)::integer FROM embark.outcomes_since(0)), 1000, 'a page has 1,000 by default');
SELECT is((SELECT count(*)::integer FROM embark.outcomes_since(0, 2147483647)), 10000, 'a page never has more than 10,000');
SELECT is((SELECT count(*)::integer FROM embark.outcomes_since(0, NULL)), 10000, 'a page without a maximum has 10,000');
SELECT ok(
    (SELECT bool_and(o.seq = o.place) FROM (
        SELECT seq, row_number() OVER () AS place FROM embark.outcomes_since(0, 10000)) AS o),
    'a page is in the order of its numbers');

-- The token.
SELECT is(embark.credential(1), NULL, 'a signup without a token has none to give out');
UPDATE embark.secrets SET sealed_token = 'eyJhbGciOiJkaXIifQ..iv.text.tag' WHERE signup_id = 1;
SELECT is(embark.credential(1), 'eyJhbGciOiJkaXIifQ..iv.text.tag', 'credential returns the sealed token');
SELECT is(embark.credential(4711), NULL, 'credential returns none for a signup that does not exist');

-- History.
INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at)
VALUES (1, 1, 'exchange_code', 1, 'done', now(), now());
INSERT INTO embark.audit (actor, action, reason) VALUES ('somebody', 'pause', 'a test');
CREATE TABLE test.changes (place integer GENERATED ALWAYS AS IDENTITY, what text, statement text);
INSERT INTO test.changes (what, statement) VALUES
    ('attempts cannot be updated', $$UPDATE embark.attempts SET verdict = 'done'$$),
    ('attempts cannot be truncated', $$TRUNCATE embark.attempts$$),
    ('the audit cannot be updated', $$UPDATE embark.audit SET reason = 'another'$$),
    ('the audit cannot be deleted from', $$DELETE FROM embark.audit$$),
    ('the audit cannot be truncated', $$TRUNCATE embark.audit$$),
    ('outcomes cannot be updated', $$UPDATE embark.outcomes SET type = 'signup.completed', seq = seq$$),
    ('outcomes cannot be deleted', $$DELETE FROM embark.outcomes$$),
    ('outcomes cannot be truncated', $$TRUNCATE embark.outcomes$$);
SELECT throws_like(statement, '%is append-only', what || ', not even by a superuser') FROM test.changes ORDER BY place;
SELECT is(
    (SELECT array_agg(DISTINCT a.attname::text ORDER BY a.attname::text)
       FROM pg_trigger AS t, unnest(t.tgattr) AS number JOIN pg_attribute AS a ON a.attnum = number
      WHERE t.tgrelid = 'embark.outcomes'::regclass AND a.attrelid = t.tgrelid),
    (SELECT array_agg(attname::text ORDER BY attname::text) FROM pg_attribute
      WHERE attrelid = 'embark.outcomes'::regclass AND attnum > 0 AND attname <> 'seq'),
    'of an outcome only the number may change');
SELECT lives_ok($$DELETE FROM embark.attempts$$, 'attempts may be deleted: the retention does it');

SELECT * FROM finish();
ROLLBACK;
