-- Makes what every migration stands on: the roles, the schema and its owner, the table of what has been applied. Run before
-- each migration round and safe to repeat; it changes nothing that is there.
--
-- Roles belong to the whole cluster, so another database of it may be making them at this moment, beyond the reach of
-- any lock that is ours.
DO $prepare$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['embark_owner', 'embark_migrator', 'embark_worker', 'embark_upstream',
                                     'embark_operator', 'embark_reader', 'embark_token_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- made by somebody else between the look and the try
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role('embark_migrator', 'embark_owner', 'MEMBER') THEN
        BEGIN
            GRANT embark_owner TO embark_migrator;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- granted by somebody else meanwhile
        END;
    END IF;
    -- A superuser may take on any role; everybody else must be a member of the owner.
    IF NOT pg_has_role('embark_owner', 'MEMBER') THEN
        BEGIN
            EXECUTE format('GRANT embark_owner TO %I', current_user);
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
    IF to_regnamespace('embark') IS NULL THEN
        CREATE SCHEMA embark AUTHORIZATION embark_owner;
    END IF;
    SET LOCAL ROLE embark_owner;
    -- EXECUTE is PUBLIC's by default. The migrations revoke it function by function; this is for one that forgets.
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    IF to_regclass('embark.schema_migrations') IS NULL THEN
        CREATE TABLE embark.schema_migrations (
            version    integer     PRIMARY KEY,
            name       text        NOT NULL,
            sha256     text        NOT NULL, -- of the migration's text, hexadecimal
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        GRANT SELECT ON embark.schema_migrations TO embark_operator, embark_reader, embark_worker;
        GRANT USAGE ON SCHEMA embark TO embark_operator, embark_reader, embark_worker;
    END IF;
    RESET ROLE;
END
$prepare$;
