-- What the schema promises by its shape: owners, keys, the settings of the queue's table, where ids begin.
BEGIN;
SET client_min_messages = warning;

SELECT plan(16);

SELECT schema_owner_is('embark', 'embark_owner');
SELECT is_empty(
    $$SELECT relname, relkind FROM pg_class
       WHERE relnamespace = 'embark'::regnamespace AND relowner <> 'embark_owner'::regrole$$,
    'every table, view, index and sequence is owned by embark_owner');
SELECT is_empty(
    $$SELECT typname FROM pg_type WHERE typnamespace = 'embark'::regnamespace AND typowner <> 'embark_owner'::regrole$$,
    'every type is owned by embark_owner');

-- Each call of an autovacuum of its own. With the defaults the head of the queue's index fills with dead entries.
SELECT is(
    (SELECT array_agg(o ORDER BY o COLLATE "C") FROM pg_class, unnest(reloptions) AS o WHERE oid = 'embark.jobs'::regclass),
    ARRAY['autovacuum_analyze_scale_factor=0', 'autovacuum_analyze_threshold=50000', 'autovacuum_vacuum_cost_delay=0',
          'autovacuum_vacuum_insert_scale_factor=0', 'autovacuum_vacuum_insert_threshold=50000',
          'autovacuum_vacuum_scale_factor=0', 'autovacuum_vacuum_threshold=5000', 'fillfactor=75'],
    'the queue''s table is vacuumed by the number of its dead rows, at full speed, and has room in its pages');
SELECT is(
    (SELECT array_agg(indexrelid::regclass::text ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'embark.jobs'::regclass),
    ARRAY['embark.jobs_claim', 'embark.jobs_pkey'], 'the queue''s table has two indexes: each more is written on every step');
SELECT col_is_pk('embark', 'jobs', 'signup_id', 'a signup has one job at most, so that a chain of steps cannot fork');
SELECT col_is_pk('embark', 'credit_shares', 'waba_id', 'an account has one credit share at most, by however many signups');
SELECT col_is_unique('embark', 'signups', 'external_id', 'an external id is that of one signup');
SELECT col_is_unique('embark', 'outcomes', 'seq', 'a number is that of one outcome');
SELECT is(
    (SELECT array_agg(conname::text) FROM pg_constraint WHERE conrelid = 'embark.secrets'::regclass), ARRAY['secrets_pkey'],
    'the secrets have no constraint but their key: a violated one would write the row into the server''s log');
SELECT is_empty(
    $$SELECT attname FROM pg_attribute WHERE attrelid = 'embark.secrets'::regclass AND attnum > 0 AND attnotnull
         AND attname <> 'signup_id'$$,
    'nor any column that must not be NULL, for the same reason');
SELECT is_empty(
    $$SELECT conname FROM pg_constraint WHERE connamespace = 'embark'::regnamespace AND contype = 'f'$$,
    'no table has a foreign key');
SELECT is_empty(
    $$SELECT tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
       WHERE c.relnamespace = 'embark'::regnamespace AND t.tgenabled <> 'O'$$,
    'every trigger of the schema is enabled');
SELECT throws_ok(
    $$INSERT INTO embark.installation (partner_mode, app_id) VALUES ('tech-provider', '1')$$, '23505', NULL,
    'there is one installation at most');

SELECT is(embark.enqueue_signup(code => 'c', currency => 'USD'), 1::bigint, 'the ids of signups begin at 1');
SELECT throws_ok(
    $$INSERT INTO embark.signups (id, flow, plan, code_issued_at) VALUES (0, 'cloud_api', '{}', now())$$, '428C9', NULL,
    'the id of a signup is given by the database alone');

SELECT * FROM finish();
ROLLBACK;
