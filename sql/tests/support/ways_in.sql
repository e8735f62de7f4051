-- The two ways in, callable with a table's rows: included by the files that put values through both.
--
-- A value travels as a parameter and never as part of a statement's text, because PostgreSQL puts the text of a failing
-- statement into CONTEXT: with literals every refusal would seem to show its value.

CREATE SCHEMA test;

-- A signup that is accepted. What must never be shown holds the word CANARY or stands in the list of refusal().
CREATE FUNCTION test.signup() RETURNS jsonb LANGUAGE sql AS
$$
SELECT jsonb_build_object(
    'code', 'CANARY-code',
    'waba_id', '102290129340398',
    'phone_number_id', '106540352242922',
    'business_id', '2729063490586005',
    'currency', 'USD',
    'external_id', 'CANARY-external',
    'pin', '918273',
    'redirect_uri', 'https://CANARY.example/back',
    'webhook_override', '{"override_callback_uri": "https://CANARY.example/hook", "verify_token": "CANARY-token"}',
    'metadata', '{"note": "CANARY-metadata"}')
$$;

-- Enqueues a signup of the given fields; an absent field, or a JSON null, is left out of the call, but for the code, which
-- the function cannot be called without. Everything is text, as it is in the inbox; for the function it is cast to what
-- the parameter is.
CREATE FUNCTION test.enqueue(way text, fields jsonb) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    given text[] := ARRAY(SELECT key FROM jsonb_each(fields) WHERE value <> 'null' OR key = 'code' ORDER BY key);
    id    bigint;
BEGIN
    IF way = 'the function' THEN
        EXECUTE format('SELECT embark.enqueue_signup(%s)', (
            SELECT string_agg(format('%I => ($1 ->> %L)::%s', g, g, CASE
                WHEN g = 'code_issued_at' THEN 'timestamptz'
                WHEN g IN ('webhook_override', 'metadata') THEN 'jsonb'
                ELSE 'text' END), ', ')
              FROM unnest(given) AS g)) INTO id USING fields;
    ELSE
        EXECUTE format('INSERT INTO embark.signup_inbox (%s) SELECT %s RETURNING id',
            (SELECT string_agg(quote_ident(g), ', ' ORDER BY g) FROM unnest(given) AS g),
            (SELECT string_agg(format('$1 ->> %L', g), ', ' ORDER BY g) FROM unnest(given) AS g)) INTO id USING fields;
    END IF;
    RETURN id;
END
$$;

-- 'accepted', or the refusal as 'SQLSTATE schema.column', followed by whatever is wrong with how it is put: a message that
-- does not begin with the field, a value that is shown anywhere. A long value is looked for by its beginning.
CREATE FUNCTION test.refusal(way text, fields jsonb, value text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    field text; message text; detail text; hint text; context text; state text; origin text; shown text;
BEGIN
    PERFORM test.enqueue(way, fields);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, origin = SCHEMA_NAME, field = COLUMN_NAME,
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    SELECT string_agg(format('%s shows %s', part.name, part.said), ', ') INTO shown
      FROM (VALUES ('MESSAGE', message), ('DETAIL', detail), ('HINT', hint), ('CONTEXT', context)) AS part (name, said)
     WHERE part.said ILIKE '%canary%'
        OR EXISTS (SELECT FROM unnest(ARRAY['918273', '102290129340398', '106540352242922', '2729063490586005']) AS known
                    WHERE position(known IN part.said) > 0)
        -- Shorter values stand in many a sentence.
        OR length(value) >= 3 AND position(left(value, 16) IN part.said) > 0;
    RETURN format('%s %s.%s', state, origin, field)
        || CASE WHEN message ~ ('^' || field || '[ .]') AND field <> '' THEN '' ELSE ', message: ' || message END
        || coalesce(', ' || shown, '');
END
$$;

-- Changes the installation for what follows, or takes its row away.
CREATE FUNCTION test.install(what text) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    DELETE FROM embark.installation;
    IF what <> 'none' THEN
        INSERT INTO embark.installation (partner_mode, app_id, credit_line_id, system_user_id, verify_grant, currencies)
        VALUES (CASE WHEN what ~ 'tech-provider' THEN 'tech-provider' ELSE 'solution-partner' END, '1234567890', '1111111111',
                CASE WHEN what !~ 'no system user' THEN '2222222222' END, what !~ 'no verify',
                CASE WHEN what ~ 'only EUR' THEN '{EUR}'::text[] ELSE '{AUD,EUR,GBP,IDR,INR,USD}' END);
    END IF;
END
$$;
