-- Counting sealed values by their headers, whatever stands in the rows.
BEGIN;
SET client_min_messages = warning;

SELECT plan(9);

CREATE SCHEMA test;
CREATE FUNCTION test.sealed(header text) RETURNS text LANGUAGE sql AS
$$ SELECT rtrim(translate(encode(convert_to(header, 'UTF8'), 'base64'), E'+/\n', '-_'), '=') || '..iv.text.tag' $$;
CREATE FUNCTION test.header(id text, kid text, purpose text) RETURNS text LANGUAGE sql AS
$$ SELECT format('{"alg":"dir","embark_purpose":"%s","embark_signup":"%s","enc":"A256GCM","kid":"%s"}', purpose, id, kid) $$;
CREATE FUNCTION test.counts(after_signup bigint, rows_max integer) RETURNS SETOF text LANGUAGE sql AS
$$
SELECT concat_ws(' ', purpose, coalesce(convert_from(header, 'UTF8')::jsonb ->> 'kid', 'unreadable'), sealed)
  FROM embark.count_sealed(after_signup, rows_max) WHERE purpose IS NOT NULL ORDER BY 1
$$;

SELECT is(
    to_jsonb(c), '{"purpose": null, "header": null, "sealed": 0, "last_signup": null}', 'without signups there is an empty page')
  FROM embark.count_sealed(0, 100) AS c;

INSERT INTO embark.secrets (signup_id, sealed_token, sealed_pin)
SELECT n, test.sealed(test.header(n::text, CASE WHEN n <= 3 THEN 'old' WHEN n = 4 THEN 'plain' ELSE 'new' END, 'token')),
       CASE WHEN n % 2 = 0 THEN test.sealed(test.header(n::text, 'old', 'pin')) END
  FROM generate_series(1, 10) AS n;
INSERT INTO embark.secrets (signup_id) VALUES (11);
SELECT is(
    ARRAY(SELECT test.counts(0, 100)), ARRAY['pin old 5', 'token new 6', 'token old 3', 'token plain 1'],
    'equal headers but for the signup are counted together, by purpose');
SELECT is(
    (SELECT concat_ws(' ', sealed, last_signup) FROM embark.count_sealed(0, 100) WHERE purpose IS NULL), '11 11',
    'the page says how many signups it has and where it ends');
SELECT is(ARRAY(SELECT test.counts(3, 4)), ARRAY['pin old 2', 'token new 3', 'token plain 1'], 'a page begins behind a signup');
SELECT is(
    (SELECT concat_ws(' ', sealed, last_signup) FROM embark.count_sealed(3, 4) WHERE purpose IS NULL), '4 7',
    'and has no more than it was asked for');
SELECT is((SELECT count(*)::integer FROM embark.count_sealed(11, 100)), 1, 'behind the last there is nothing but the page');
SELECT is(
    (SELECT count(*)::integer FROM embark.count_sealed(4, 100) WHERE convert_from(header, 'UTF8') ~ '"embark_signup":"[0-9]'), 0,
    'no header names its signup');

-- A text for each way in which a header could end the statement.
UPDATE embark.secrets SET sealed_pin = NULL;
UPDATE embark.secrets AS x SET sealed_token = t.sealed
  FROM unnest(ARRAY['', '.', 'A', 'AAAAA.x', 'ä.x', 'A A A.x', '====', repeat('A', 5000), E'\n\n\n\n', 'a+b/', 'no point'])
       WITH ORDINALITY AS t (sealed, n)
 WHERE x.signup_id = t.n;
SELECT is(
    (SELECT sum(sealed)::integer FROM embark.count_sealed(0, 100) WHERE purpose = 'token' AND header IS NULL), 11,
    'what is no base64url has no header, and ends nothing');
UPDATE embark.secrets SET sealed_token = '_w..x' WHERE signup_id = 1;
SELECT is(
    (SELECT header FROM embark.count_sealed(0, 1) WHERE purpose = 'token'), '\xff'::bytea, 'bytes that are no text are given as they are');

SELECT * FROM finish();
ROLLBACK;
