-- What both ways in refuse: one row a bad value. Each refusal has its SQLSTATE, names the field in the message and in the
-- error's COLUMN, has 'embark' in its SCHEMA, and shows no value in MESSAGE, DETAIL, HINT or CONTEXT.
BEGIN;
SET client_min_messages = warning;
\ir support/ways_in.sql

-- fields go over those of test.signup(); NULL as value leaves the field out. names: the field that the refusal must name,
-- when it is another one. way: when a value exists for one way only.
CREATE TABLE test.bad (
    place     integer GENERATED ALWAYS AS IDENTITY,
    field     text NOT NULL,
    what      text NOT NULL,
    value     text,
    fields    jsonb NOT NULL DEFAULT '{}',
    installed text,
    state     text NOT NULL DEFAULT '22023',
    names     text,
    way       text
);

-- Digits that are not 0 to 9 match [[:digit:]] or \d in some databases; a newline at the end passes many a "$".
INSERT INTO test.bad (field, what, value)
SELECT f.field, v.what, v.value
  FROM unnest(ARRAY['waba_id', 'phone_number_id', 'business_id']) AS f (field),
       (VALUES ('an empty string', ''),
               ('33 digits', repeat('7', 33)),
               ('a newline behind the digits', E'123456\n'),
               ('a newline before the digits', E'\n123456'),
               ('a carriage return', E'123456\r'),
               ('a letter', 'CANARY7'),
               ('a sign', '-123456'),
               ('a plus', '+123456'),
               ('a point', '123456.0'),
               ('an exponent', '123e456'),
               ('hexadecimal', '0x123456'),
               ('a space inside', '123 456'),
               ('a space before', ' 123456'),
               ('a space behind', '123456 '),
               ('a no-break space', U&'123456\00A0'),
               ('a zero-width space', U&'123456\200B'),
               ('Arabic-Indic digits', '١٢٣٤٥٦'),
               ('Devanagari digits', '१२३४५६'),
               ('full-width digits', '１２３４５６'),
               ('superscript digits', '¹²³¹²³'),
               ('a path', '123456/../me'),
               ('1 MiB', repeat('7', 1048576))) AS v (what, value);

INSERT INTO test.bad (field, what, value) VALUES
    ('code', 'an empty string', ''),
    ('code', '2,049 characters', repeat('k', 2049)),
    ('code', '1 MiB', repeat('k', 1048576)),
    ('code', 'a newline behind it', E'CANARY\n'),
    ('code', 'a newline inside', E'CAN\nARY'),
    ('code', 'a carriage return', E'CANARY\r'),
    ('code', 'a tab', E'CANARY\t'),
    ('code', 'a delete character', E'CANARY\x7f'),
    ('code', 'an accented letter', 'CANARYé'),
    ('code', 'a full-width letter', 'CANARYＡ'),
    ('code', 'a no-break space', U&'CANARY\00A0'),
    ('code', 'an emoji', 'CANARY🙂'),

    ('pin', 'an empty string', ''),
    ('pin', 'five digits', '48151'),
    ('pin', 'seven digits', '4815162'),
    ('pin', 'a newline behind the digits', E'481516\n'),
    ('pin', 'five digits and a newline', E'48151\n'),
    ('pin', 'five digits and a space', '48151 '),
    ('pin', 'a letter', '48151a'),
    ('pin', 'a sign', '-48151'),
    ('pin', 'Arabic-Indic digits', '٤٨١٥١٦'),
    ('pin', 'full-width digits', '４８１５１６'),
    ('pin', 'a no-break space', U&'48151\00A0'),
    ('pin', '1 MiB', repeat('4', 1048576)),

    ('currency', 'an empty string', ''),
    ('currency', 'lower case', 'usd'),
    ('currency', 'one that is not on the list', 'CANARY'),
    ('currency', 'a real one that is not on the list', 'JPY'),
    ('currency', 'a newline behind it', E'USD\n'),
    ('currency', 'a space behind it', 'USD '),
    ('currency', 'full-width letters', 'ＵＳＤ'),
    ('currency', 'two', 'USD,EUR'),
    ('currency', '1 MiB', repeat('USD', 349526)),

    ('external_id', 'an empty string', ''),
    ('external_id', '256 characters', repeat('x', 256)),
    ('external_id', '256 emoji', repeat('🙂', 256)),
    ('external_id', '1 MiB', repeat('x', 1048576)),
    ('external_id', 'a newline behind it', E'CANARY\n'),
    ('external_id', 'a tab', E'CAN\tARY'),
    ('external_id', 'the lowest control character', E'\x01CANARY'),
    ('external_id', 'the highest control character', E'CANARY\x1f'),
    ('external_id', 'a delete character', E'CANARY\x7f'),
    -- One byte to some terminals, and the beginning of a command.
    ('external_id', 'a control character behind ASCII', E'CANARY\u009b'),
    ('external_id', 'a line separator', E'CANARY\u2028'),
    ('external_id', 'a paragraph separator', E'CANARY\u2029'),

    ('flow', 'an empty string', ''),
    ('flow', 'the name of the popup''s event', 'FINISH'),
    ('flow', 'upper case', 'CLOUD_API'),
    ('flow', 'a newline behind it', E'cloud_api\n'),
    ('flow', 'a space behind it', 'cloud_api '),
    ('flow', 'an unknown word', 'CANARY'),
    ('flow', '1 MiB', repeat('c', 1048576)),

    ('test_recipient', 'an empty string', ''),
    ('test_recipient', 'no plus', '16505551234'),
    ('test_recipient', 'a plus alone', '+'),
    ('test_recipient', 'two pluses', '++16505551234'),
    ('test_recipient', 'a full-width plus', '＋16505551234'),
    ('test_recipient', 'a zero in front', '+06505551234'),
    ('test_recipient', 'six digits', '+165055'),
    ('test_recipient', '16 digits', '+1650555123456789'),
    ('test_recipient', 'spaces', '+1 650 555 1234'),
    ('test_recipient', 'hyphens', '+1-650-555-1234'),
    ('test_recipient', 'a newline behind it', E'+16505551234\n'),
    ('test_recipient', 'Arabic-Indic digits', '+١٦٥٠٥٥٥١٢٣٤'),
    ('test_recipient', 'full-width digits', '+１６５０５５５１２３４'),
    ('test_recipient', 'a letter', '+1650555CANARY'),
    ('test_recipient', '1 MiB', '+' || repeat('1', 1048575)),

    ('test_message', 'an empty string', ''),
    ('test_message', '4,097 characters', repeat('m', 4097)),
    ('test_message', '4,097 emoji', repeat('🙂', 4097)),
    ('test_message', '1 MiB', repeat('m', 1048576)),

    ('code_issued_at', 'infinity', 'infinity'),
    ('code_issued_at', 'minus infinity', '-infinity'),
    ('code_issued_at', 'the year 9999', '9999-12-31 23:59:59+00'),
    ('code_issued_at', 'the last year there is', '294276-12-31 23:59:59+00'),
    ('code_issued_at', 'six minutes from now', (clock_timestamp() + interval '6 minutes')::text),

    ('redirect_uri', 'a space behind it', 'https://CANARY.example/ '),
    ('redirect_uri', 'a space alone', ' '),
    ('redirect_uri', 'a newline behind it', E'https://CANARY.example/\n'),
    ('redirect_uri', 'a newline alone', E'\n'),
    ('redirect_uri', 'an accented letter', 'https://CANARY.example/é'),
    ('redirect_uri', 'a delete character', E'https://CANARY.example/\x7f'),
    ('redirect_uri', '2,049 characters', rpad('https://CANARY.example/', 2049, 'x')),
    ('redirect_uri', '1 MiB', rpad('https://CANARY.example/', 1048576, 'x')),

    ('data_localization_region', 'an empty string', ''),
    ('data_localization_region', 'a country without a region', 'US'),
    ('data_localization_region', 'lower case', 'de'),
    ('data_localization_region', 'a newline behind it', E'DE\n'),
    ('data_localization_region', 'full-width letters', 'ＤＥ'),
    ('data_localization_region', 'two', 'DE,CH'),
    ('data_localization_region', 'an unknown word', 'CANARY'),
    ('data_localization_region', '1 MiB', repeat('DE', 524288)),

    ('webhook_override', 'JSON''s null', 'null'),
    ('webhook_override', 'an array', '["CANARY"]'),
    ('webhook_override', 'a string', '"CANARY"'),
    ('webhook_override', 'a number', '4815162342'),
    ('webhook_override', 'an empty object', '{}'),
    ('webhook_override', 'no verify_token', '{"override_callback_uri": "https://CANARY.example/"}'),
    ('webhook_override', 'no override_callback_uri', '{"verify_token": "CANARY"}'),
    ('webhook_override', 'one key too many',
        '{"override_callback_uri": "https://CANARY.example/", "verify_token": "CANARY", "CANARY": 1}'),
    ('webhook_override', 'a misspelt key', '{"override_callback_url": "https://CANARY.example/", "verify_token": "CANARY"}'),
    ('webhook_override', 'a null URL', '{"override_callback_uri": null, "verify_token": "CANARY"}'),
    ('webhook_override', 'a number as URL', '{"override_callback_uri": 4815162342, "verify_token": "CANARY"}'),
    ('webhook_override', 'an object as URL',
        '{"override_callback_uri": {"https://CANARY.example/": 1}, "verify_token": "CANARY"}'),
    ('webhook_override', 'an empty URL', '{"override_callback_uri": "", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL without a host', '{"override_callback_uri": "https://", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL without encryption',
        '{"override_callback_uri": "http://CANARY.example/", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL in upper case', '{"override_callback_uri": "HTTPS://CANARY.example/", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL behind a space',
        '{"override_callback_uri": " https://CANARY.example/", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL with a newline behind it',
        '{"override_callback_uri": "https://CANARY.example/\n", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL with an accented letter',
        '{"override_callback_uri": "https://CANARY.example/é", "verify_token": "CANARY"}'),
    ('webhook_override', 'a URL of 201 characters', jsonb_build_object(
        'override_callback_uri', rpad('https://CANARY.example/', 201, 'x'), 'verify_token', 'CANARY')::text),
    ('webhook_override', 'a null verify_token', '{"override_callback_uri": "https://CANARY.example/", "verify_token": null}'),
    ('webhook_override', 'a number as verify_token',
        '{"override_callback_uri": "https://CANARY.example/", "verify_token": 4815162342}'),
    ('webhook_override', 'an empty verify_token', '{"override_callback_uri": "https://CANARY.example/", "verify_token": ""}'),
    ('webhook_override', 'a verify_token of 1,025 characters', jsonb_build_object(
        'override_callback_uri', 'https://CANARY.example/', 'verify_token', rpad('CANARY', 1025, 'x'))::text),
    ('webhook_override', 'nearly 1 MiB', jsonb_build_object(
        'override_callback_uri', rpad('https://CANARY.example/', 1048000, 'x'), 'verify_token', 'CANARY')::text),

    ('metadata', 'JSON''s null', 'null'),
    ('metadata', 'an array', '["CANARY"]'),
    ('metadata', 'a string', '"CANARY"'),
    ('metadata', 'a number', '4815162342'),
    ('metadata', 'a truth value', 'true'),
    ('metadata', '16,385 bytes', jsonb_build_object('CANARY', repeat('x', 16385 - 14))::text),
    ('metadata', 'fewer than 16,384 characters in more bytes', jsonb_build_object('CANARY', repeat('é', 8186))::text),
    -- 12 bytes as they come in, 16,385 as text once PostgreSQL has read the number.
    ('metadata', 'a number that grows', '{"CANARY": 1e16384}'),
    ('metadata', 'objects 10,000 levels deep', repeat('{"CANARY":', 10000) || '1' || repeat('}', 10000)),
    ('metadata', 'arrays 10,000 levels deep', '{"CANARY":' || repeat('[', 10000) || repeat(']', 10000) || '}'),
    ('metadata', 'nearly 1 MiB', jsonb_build_object('CANARY', repeat('x', 1048000))::text);

-- Absent, or wrong together with something else.
INSERT INTO test.bad (field, what, value, fields, installed, names) VALUES
    ('code', 'nothing', NULL, '{}', NULL, NULL),
    ('currency', 'nothing, for a solution partner', NULL, '{}', NULL, NULL),
    ('currency', 'nothing, for a solution partner whose flow has no number', NULL, '{"flow": "only_waba"}', NULL, NULL),
    ('currency', 'one that is not on a tech provider''s list', 'CANARY', '{}', 'tech-provider', NULL),
    ('currency', 'one that is not on the list, although the flow needs none', 'CANARY', '{"flow": "api_access_only"}', NULL, NULL),
    ('currency', 'Meta''s own, where the installation allows another', 'USD', '{}', 'only EUR', NULL),
    ('waba_id', 'nothing, while grants are not verified', NULL, '{}', 'no verify', NULL),
    ('phone_number_id', 'nothing, in coexistence while grants are not verified', NULL, '{"flow": "coexistence"}', 'no verify', NULL),
    ('test_recipient', 'a number, in a flow without one to send from', '+16505551234', '{"flow": "only_waba"}', NULL, NULL),
    ('test_recipient', 'a number, in a flow for API access only', '+16505551234', '{"flow": "api_access_only"}', NULL, NULL),
    ('test_recipient', 'a number, with no phone number known or to be found', '+16505551234', '{"phone_number_id": null}',
        'no verify', 'phone_number_id');
INSERT INTO test.bad (field, what, value, installed, state, names)
VALUES ('code', 'all, without an installation', 'CANARY', 'none', '55000', 'installation');

-- What the function's own types keep out is text in the inbox, and the trigger's to refuse.
INSERT INTO test.bad (field, what, value, way)
SELECT v.field, v.what, v.value, 'the inbox'
  FROM (VALUES
    ('code_issued_at', 'an empty string', ''),
    ('code_issued_at', 'a word', 'CANARY'),
    -- What PostgreSQL takes for a time and nobody else does, or takes for one time or another by the session's settings.
    ('code_issued_at', 'a word that PostgreSQL knows', 'yesterday'),
    ('code_issued_at', 'the word now', 'now'),
    ('code_issued_at', 'a Julian day', 'J2451187'),
    ('code_issued_at', 'a day without a time', '2026-01-02'),
    ('code_issued_at', 'a time without its zone', '2026-01-02 00:00:00'),
    ('code_issued_at', 'a time with a zone''s name', '2026-01-02 00:00:00 Europe/Berlin'),
    ('code_issued_at', 'a date in another order', '01/02/2026 00:00:00+00'),
    ('code_issued_at', 'a newline behind the time', E'2026-01-02T00:00:00Z\n'),
    ('code_issued_at', 'Arabic-Indic digits', '٢٠٢٦-٠١-٠٢T٠٠:٠٠:٠٠Z'),
    ('code_issued_at', 'a day that does not exist', '2026-02-30T00:00:00Z'),
    ('code_issued_at', 'a year that does not exist', '294277-01-01T00:00:00Z'),
    ('code_issued_at', 'a year before there were any', '4714-01-01T00:00:00Z BC'),
    ('code_issued_at', 'an unknown time zone', '2026-01-01 00:00:00 Nowhere/Canary'),
    ('code_issued_at', 'an hour that does not exist', '2026-01-01T25:00:00Z'),
    ('code_issued_at', 'an offset that does not exist', '2026-01-01 00:00:00+99'),
    ('code_issued_at', 'a number', '1767225600'),
    ('code_issued_at', '1 MiB', repeat('9', 1048576)),
    ('webhook_override', 'an empty string', ''),
    ('webhook_override', 'what is not JSON', 'CANARY'),
    ('webhook_override', 'JSON that stops', '{"CANARY": '),
    ('webhook_override', 'an escaped NUL', '{"override_callback_uri": "https://CANARY.example/", "verify_token": "\u0000"}'),
    ('webhook_override', 'arrays 200,000 levels deep', repeat('[', 200000) || repeat(']', 200000)),
    ('webhook_override', 'more than 1 MiB of spaces', rpad('{"CANARY": 1}', 1048577)),
    ('metadata', 'an empty string', ''),
    ('metadata', 'what is not JSON', 'CANARY'),
    ('metadata', 'JSON that stops', '{"CANARY": '),
    ('metadata', 'two objects', '{"CANARY": 1} {"CANARY": 2}'),
    ('metadata', 'an escaped NUL', '{"CANARY": "\u0000"}'),
    ('metadata', 'an escaped NUL as key', '{"\u0000": "CANARY"}'),
    ('metadata', 'half of an escaped emoji', '{"CANARY": "\ud83d"}'),
    ('metadata', 'a number beyond all bounds', '{"CANARY": 1e999999}'),
    ('metadata', 'objects 200,000 levels deep', repeat('{"a":', 200000)),
    ('metadata', 'more than 1 MiB of spaces', rpad('{"CANARY": 1}', 1048577))) AS v (field, what, value);

SELECT plan(451);

SELECT is(
    (SELECT count(*)::integer FROM (
        SELECT DISTINCT field FROM test.bad) AS tried
      WHERE field IN ('code', 'waba_id', 'phone_number_id', 'business_id', 'currency', 'external_id', 'flow', 'pin',
                      'test_recipient', 'test_message', 'code_issued_at', 'redirect_uri', 'data_localization_region',
                      'webhook_override', 'metadata')),
    (SELECT pronargs::integer FROM pg_proc WHERE oid = 'embark.enqueue_signup'::regproc),
    'every parameter of enqueue_signup has bad values here');

-- That the measuring works: a signup without a bad value is accepted, and a refusal that shows a value would be seen.
SELECT is(test.refusal(way, test.signup()), 'accepted', way || ' accepts the signup that the bad values are put into')
  FROM unnest(ARRAY['the function', 'the inbox']) AS way;
TRUNCATE embark.signups, embark.secrets, embark.jobs;

CREATE FUNCTION test.run_bad() RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
    bad record;
BEGIN
    FOR bad IN
        SELECT b.*, w.way AS through
          FROM test.bad AS b JOIN unnest(ARRAY['the function', 'the inbox']) AS w (way) ON w.way = coalesce(b.way, w.way)
         ORDER BY b.place, w.way
    LOOP
        PERFORM test.install(coalesce(bad.installed, ''));
        RETURN NEXT is(
            test.refusal(bad.through, test.signup() || bad.fields || jsonb_build_object(bad.field, bad.value), bad.value),
            format('%s embark.%s', bad.state, coalesce(bad.names, bad.field)),
            format('%s refuses as %s: %s', bad.through, bad.field, bad.what));
    END LOOP;
END
$$;
SELECT test.run_bad();
SELECT test.install('');

SELECT is_empty(
    'SELECT id FROM embark.signups UNION ALL SELECT signup_id FROM embark.secrets UNION ALL SELECT signup_id FROM embark.jobs',
    'after all refusals nothing has been enqueued');

SELECT * FROM finish();
ROLLBACK;
