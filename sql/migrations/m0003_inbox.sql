-- The inbox: INSERT and COPY for those who cannot call a function. The same rules, by the same function, as
-- enqueue_signup.
--
-- A COPY that fails at a row writes the row into the server's log ("CONTEXT: COPY …, line 512: …"), the code included. So
-- the row trigger never raises: it remembers the first refusal and skips the rows behind it, and the statement's own
-- trigger raises it when that context is gone. For the same reason all columns but id are text and are cast in here.

CREATE VIEW embark.signup_inbox AS
SELECT NULL::bigint AS id,
       NULL::text AS code,
       NULL::text AS waba_id,
       NULL::text AS phone_number_id,
       NULL::text AS business_id,
       NULL::text AS currency,
       NULL::text AS external_id,
       NULL::text AS flow,
       NULL::text AS pin,
       NULL::text AS test_recipient,
       NULL::text AS test_message,
       NULL::text AS code_issued_at,
       NULL::text AS redirect_uri,
       NULL::text AS data_localization_region,
       NULL::text AS webhook_override,
       NULL::text AS metadata
 WHERE false;
COMMENT ON VIEW embark.signup_inbox IS
    'Insert signups here, one a row; shows none. RETURNING id gives the signup''s id. Columns as in embark.enqueue_signup.';

-- What a statement remembers stands in the transaction's setting embark.inbox, a line 'ROWS REFUSAL' for each statement under
-- way, the innermost first: a statement on the inbox may run inside another, in a function that one of its rows calls.
CREATE FUNCTION embark.inbox_before_statement() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
BEGIN
    PERFORM set_config('embark.inbox', E'0 \n' || coalesce(current_setting('embark.inbox', true), ''), true);
    RETURN NULL;
END
$$;

CREATE FUNCTION embark.inbox_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    memory    text := current_setting('embark.inbox');
    mine      text := split_part(memory, E'\n', 1);
    row_count text;
    issued_at timestamptz;
    override  jsonb;
    metadata  jsonb;
    rule      text;
    refusal   text;
BEGIN
    IF NOT mine LIKE '% ' THEN
        RETURN NULL; -- refused already
    END IF;
    row_count := (mine::bigint + 1)::text;
    IF NEW.id IS NOT NULL THEN
        refusal := '22023 id must be absent: Embark gives it';
    ELSIF octet_length(NEW.metadata) > 1048576 THEN
        refusal := '22023 metadata must be at most 1 MiB as it is handed in';
    ELSIF octet_length(NEW.webhook_override) > 1048576 THEN
        refusal := '22023 webhook_override must be at most 1 MiB as it is handed in';
    ELSIF NEW.code_issued_at
        !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' THEN
        -- Without a zone, or in another order, its meaning would hang on the session's settings.
        refusal := '22023 code_issued_at must be a time in ISO 8601 form with its zone, such as 2026-11-23T12:00:00Z';
    ELSIF NEW.code_issued_at IS NOT NULL OR NEW.webhook_override IS NOT NULL OR NEW.metadata IS NOT NULL THEN
        -- A block with an exception handler is a subtransaction: entered only by rows that have something to cast.
        BEGIN
            rule := 'code_issued_at must be a time that exists';
            issued_at := NEW.code_issued_at::timestamptz;
            rule := 'webhook_override must be a JSON object';
            override := NEW.webhook_override::jsonb;
            rule := 'metadata must be a JSON object';
            metadata := NEW.metadata::jsonb;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            refusal := '22023 ' || rule;
        END;
    END IF;
    IF refusal IS NULL THEN
        NEW.id := embark.accept_signup(
            NEW.code, NEW.waba_id, NEW.phone_number_id, NEW.business_id, NEW.currency, NEW.external_id, NEW.flow, NEW.pin,
            NEW.test_recipient, NEW.test_message, issued_at, NEW.redirect_uri, NEW.data_localization_region,
            override, metadata);
        IF NEW.id IS NULL THEN
            refusal := current_setting('embark.refusal');
        END IF;
    END IF;
    -- An assignment and no PERFORM, which would run a query for each row.
    memory := set_config('embark.inbox',
        row_count || ' ' || coalesce(refusal, '') || substr(memory, length(mine) + 1), true);
    IF refusal IS NOT NULL THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION embark.inbox_after_statement() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
DECLARE
    memory    text := current_setting('embark.inbox');
    mine      text := split_part(memory, E'\n', 1);
    row_count text := split_part(mine, ' ', 1);
BEGIN
    PERFORM set_config('embark.inbox', substr(memory, length(mine) + 2), true);
    IF NOT mine LIKE '% ' THEN
        PERFORM embark.raise_refusal(
            substr(mine, length(row_count) + 2), 'It is row ' || row_count || ' of the statement, which enqueued nothing.');
    END IF;
    PERFORM embark.wake_workers();
    RETURN NULL;
END
$$;

CREATE TRIGGER inbox_before_statement BEFORE INSERT ON embark.signup_inbox
    FOR EACH STATEMENT EXECUTE FUNCTION embark.inbox_before_statement();
CREATE TRIGGER inbox_row INSTEAD OF INSERT ON embark.signup_inbox
    FOR EACH ROW EXECUTE FUNCTION embark.inbox_row();
CREATE TRIGGER inbox_after_statement AFTER INSERT ON embark.signup_inbox
    FOR EACH STATEMENT EXECUTE FUNCTION embark.inbox_after_statement();

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT INSERT ON embark.signup_inbox TO embark_upstream;
GRANT SELECT (id) ON embark.signup_inbox TO embark_upstream;
