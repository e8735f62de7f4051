-- What both ways in accept, at the edge of each rule, and that it is kept as it was given: one row a value.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

-- fields go over those of test.signup(); kept: what must be found, when it is not the value itself.
CREATE TABLE test.good (
    place     integer GENERATED ALWAYS AS IDENTITY,
    field     text NOT NULL,
    what      text NOT NULL,
    value     text,
    fields    jsonb NOT NULL DEFAULT '{}',
    installed text,
    kept      text
);

INSERT INTO test.good (field, what, value)
SELECT f.field, v.what, v.value
  FROM unnest(ARRAY['waba_id', 'phone_number_id', 'business_id']) AS f (field),
       (VALUES ('one digit', '1'),
               ('a zero', '0'),
               ('32 digits', repeat('9', 32)),
               ('zeros in front', '00042'),
               ('nothing', NULL)) AS v (what, value);
INSERT INTO test.good (field, what, value)
SELECT 'currency', c, c FROM unnest(ARRAY['AUD', 'EUR', 'GBP', 'IDR', 'INR', 'USD']) AS c
 UNION ALL
SELECT 'data_localization_region', r, r
  FROM unnest(ARRAY['AU', 'ID', 'IN', 'JP', 'SG', 'KR', 'DE', 'CH', 'GB', 'BR', 'BH', 'ZA', 'AE', 'CA']) AS r
 UNION ALL
SELECT 'flow', f, f FROM unnest(ARRAY['cloud_api', 'only_waba', 'coexistence', 'api_access_only']) AS f;

INSERT INTO test.good (field, what, value) VALUES
    ('code', 'one character', 'A'),
    ('code', '2,048 characters', repeat('k', 2048)),
    ('code', 'every printable ASCII character', (SELECT string_agg(chr(c), '' ORDER BY c) FROM generate_series(32, 126) AS c)),
    ('external_id', 'one character', 'x'),
    ('external_id', '255 characters', repeat('x', 255)),
    ('external_id', '255 emoji', repeat('🙂', 255)),
    ('external_id', 'right-to-left text', 'لقب-٧٧٣١'),
    ('external_id', 'quotes and a backslash', E'a''b"c\\d'),
    ('external_id', 'spaces alone', '  '),
    ('external_id', 'nothing', NULL),
    ('pin', 'zeros in front', '000007'),
    ('pin', 'zeros alone', '000000'),
    ('pin', 'nothing', NULL),
    ('test_recipient', 'seven digits', '+1650555'),
    ('test_recipient', '15 digits', '+165055512345678'),
    ('test_recipient', 'nothing', NULL),
    ('redirect_uri', 'an empty string', ''),
    ('redirect_uri', 'one character', '/'),
    ('redirect_uri', '2,048 characters', rpad('https://example.com/', 2048, 'x')),
    ('redirect_uri', 'nothing', NULL),
    ('data_localization_region', 'nothing', NULL),
    ('webhook_override', 'a URL of 200 characters', jsonb_build_object(
        'override_callback_uri', rpad('https://example.com/', 200, 'x'), 'verify_token', 't')::text),
    ('webhook_override', 'the shortest URL', '{"override_callback_uri": "https://x", "verify_token": "t"}'),
    ('webhook_override', 'a verify_token of 1,024 characters', jsonb_build_object(
        'override_callback_uri', 'https://example.com/', 'verify_token', repeat('t', 1024))::text),
    ('webhook_override', 'an emoji as verify_token', '{"override_callback_uri": "https://example.com/", "verify_token": "🙂"}'),
    ('webhook_override', 'nothing', NULL),
    ('metadata', 'an empty object', '{}'),
    ('metadata', 'exactly 16,384 bytes', jsonb_build_object('k', repeat('x', 16384 - 9))::text),
    ('metadata', 'exactly 16,384 bytes of longer characters', jsonb_build_object('k', repeat('🙂', 4093) || 'xxx')::text),
    ('metadata', 'emoji, quotes and line ends', '{"🙂": "a\n\"b\" \\u0000 \u2028"}'),
    ('metadata', 'every kind of value', '{"a": [1, 2.50, null, true, {"b": []}], "": ""}');
INSERT INTO test.good (field, what, value, fields, kept) VALUES
    ('test_message', 'one character', '.', '{"test_recipient": "+16505551234"}', '.'),
    ('test_message', '4,096 characters', repeat('m', 4096), '{"test_recipient": "+16505551234"}', repeat('m', 4096)),
    ('test_message', '4,096 emoji', repeat('🙂', 4096), '{"test_recipient": "+16505551234"}', repeat('🙂', 4096)),
    ('test_message', 'line ends and emoji', E'Hello\n\t🙂 \u202Eabc', '{"test_recipient": "+16505551234"}', E'Hello\n\t🙂 \u202Eabc'),
    ('test_message', 'nothing', NULL, '{"test_recipient": "+16505551234"}', 'Message received, loud and clear!'),
    ('test_message', 'one without a recipient, which is dropped', 'Hello', '{}', NULL),
    ('flow', 'nothing', NULL, '{}', 'cloud_api'),
    ('metadata', 'nothing', NULL, '{}', '{}'),
    -- A code may be refused for its age by Graph alone: the worker says so in an outcome, which upstream reads anyway.
    ('code_issued_at', 'a time that is past', '2025-01-01 00:00:00+00', '{}', '2025-01-01 00:00:00+00'),
    ('code_issued_at', 'long ago', '0001-01-01 00:00:00+00', '{}', '0001-01-01 00:00:00+00'),
    ('code_issued_at', 'a moment of another time zone', '2025-07-01T10:00:00.25+05:45', '{}', '2025-07-01 04:15:00.25+00'),
    ('code_issued_at', 'a zone without a colon', '2025-07-01T10:00:00+0545', '{}', '2025-07-01 04:15:00+00'),
    ('code_issued_at', 'a zone of hours alone', '2025-07-01 10:00:00-03', '{}', '2025-07-01 13:00:00+00'),
    ('code_issued_at', 'a time in UTC without seconds', '2025-07-01T10:00Z', '{}', '2025-07-01 10:00:00+00');
INSERT INTO test.good (field, what, value, fields, installed) VALUES
    ('currency', 'nothing, for a tech provider', NULL, '{}', 'tech-provider'),
    ('currency', 'one on the list, for a tech provider', 'USD', '{}', 'tech-provider'),
    ('currency', 'nothing, when only API access was granted', NULL, '{"flow": "api_access_only"}', NULL),
    ('currency', 'one on the list, when only API access was granted', 'USD', '{"flow": "api_access_only"}', NULL),
    ('currency', 'one that the installation allows', 'EUR', '{}', 'only EUR'),
    ('phone_number_id', 'nothing, while grants are not verified', NULL, '{}', 'no verify'),
    ('test_recipient', 'a number, when its sender is still to be found', '+16505551234', '{"phone_number_id": null}', NULL),
    ('test_recipient', 'a number, when its sender is known', '+16505551234', '{}', 'no verify'),
    ('test_recipient', 'a number, in coexistence', '+16505551234', '{"flow": "coexistence"}', NULL);

-- The value as it is kept now, in the form in which it was given.
CREATE FUNCTION test.kept(signup bigint, field text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    s    embark.signups;
    x    embark.secrets;
    kept text;
BEGIN
    SELECT * INTO STRICT s FROM embark.signups WHERE id = signup;
    SELECT * INTO STRICT x FROM embark.secrets WHERE signup_id = signup;
    CASE
        WHEN field IN ('code', 'pin') THEN
            RETURN to_jsonb(x) ->> field;
        WHEN field = 'webhook_override' THEN
            RETURN CASE WHEN num_nonnulls(s.override_callback_uri, x.verify_token) > 0 THEN
                jsonb_build_object('override_callback_uri', s.override_callback_uri, 'verify_token', x.verify_token) END;
        WHEN field IN ('code_issued_at', 'metadata') THEN
            EXECUTE format('SELECT $1.%I', field) INTO kept USING s;
            RETURN kept;
        ELSE
            RETURN to_jsonb(s) ->> field;
    END CASE;
END
$$;

SELECT plan(192);

CREATE FUNCTION test.run_good() RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
    good record;
    kept text;
BEGIN
    FOR good IN
        SELECT g.*, w.way
          FROM test.good AS g CROSS JOIN unnest(ARRAY['the function', 'the inbox']) AS w (way)
         ORDER BY g.place, w.way
    LOOP
        PERFORM test.install(coalesce(good.installed, ''));
        BEGIN
            kept := test.kept(
                test.enqueue(good.way, test.signup() || good.fields || jsonb_build_object(good.field, good.value)), good.field);
            -- The same external id is used by the next row.
            RAISE EXCEPTION USING ERRCODE = 'ZZ000';
        EXCEPTION
            WHEN SQLSTATE 'ZZ000' THEN NULL;
            WHEN OTHERS THEN kept := 'refused: ' || SQLERRM;
        END;
        RETURN NEXT is(
            kept,
            CASE WHEN good.field IN ('webhook_override', 'metadata') THEN coalesce(good.value, good.kept)::jsonb::text
                 ELSE coalesce(good.kept, CASE WHEN good.field <> 'test_message' THEN good.value END) END,
            format('%s accepts and keeps as %s: %s', good.way, good.field, good.what));
    END LOOP;
END
$$;
SET LOCAL timezone = 'UTC';
SELECT test.run_good();
SELECT test.install('');

-- A clock that runs ahead is forgiven and put right: it must not lengthen the life of a code.
SELECT ok(
    test.kept(
        test.enqueue(way, jsonb_build_object(
            'code', 'c', 'currency', 'USD', 'code_issued_at', clock_timestamp() + interval '4 minutes')),
        'code_issued_at')::timestamptz BETWEEN now() AND clock_timestamp(),
    way || ' takes a code from a clock that is four minutes ahead as issued now')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;
SELECT is(
    test.kept(test.enqueue(way, '{"code": "c", "currency": "USD"}'), 'code_issued_at')::timestamptz,
    now(),
    way || ' takes a code without a time as issued when the transaction began')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;

-- Last, because they are settings of everything else too.
SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL timezone = 'Asia/Kathmandu';
SELECT is(
    test.kept(
        test.enqueue(way, '{"code": "c", "currency": "USD", "code_issued_at": "2026-02-01T00:00:00Z"}'),
        'code_issued_at')::timestamptz,
    make_timestamptz(2026, 2, 1, 0, 0, 0, 'UTC'),
    way || ' reads a time the same whatever the session''s DateStyle and TimeZone')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;

SELECT * FROM finish();
ROLLBACK;
