-- Rights that the migrations granted and that are gone, with the statement that gives them back.
WITH wanted (role_name, privilege, kind, object) AS (VALUES
    ('embark_upstream', 'USAGE', 'SCHEMA', 'embark'),
    ('embark_upstream', 'EXECUTE', 'FUNCTION', 'enqueue_signup'),
    ('embark_upstream', 'EXECUTE', 'FUNCTION', 'renew_signup'),
    ('embark_upstream', 'EXECUTE', 'FUNCTION', 'outcomes_since'),
    ('embark_upstream', 'INSERT', 'TABLE', 'signup_inbox'),
    ('embark_upstream', 'SELECT', 'TABLE', 'signup_status'),
    ('embark_operator', 'USAGE', 'SCHEMA', 'embark'),
    ('embark_operator', 'SELECT', 'TABLE', 'signup_status'),
    ('embark_operator', 'SELECT', 'TABLE', 'job_list'),
    ('embark_operator', 'SELECT', 'TABLE', 'signups'),
    ('embark_operator', 'SELECT', 'TABLE', 'attempts'),
    ('embark_reader', 'USAGE', 'SCHEMA', 'embark'),
    ('embark_reader', 'SELECT', 'TABLE', 'signup_status'),
    ('embark_reader', 'SELECT', 'TABLE', 'job_list'),
    ('embark_reader', 'SELECT', 'TABLE', 'signups'),
    ('embark_reader', 'SELECT', 'TABLE', 'attempts'),
    ('embark_token_reader', 'USAGE', 'SCHEMA', 'embark'),
    ('embark_token_reader', 'EXECUTE', 'FUNCTION', 'credential'),
    ('embark_worker', 'USAGE', 'SCHEMA', 'embark'),
    ('embark_worker', 'SELECT', 'TABLE', 'secrets'),
    ('embark_worker', 'UPDATE', 'TABLE', 'secrets'),
    ('embark_worker', 'UPDATE', 'TABLE', 'signups'),
    ('embark_worker', 'DELETE', 'TABLE', 'jobs'),
    ('embark_worker', 'INSERT', 'TABLE', 'attempts'),
    ('embark_worker', 'INSERT', 'TABLE', 'outcomes'),
    ('embark_worker', 'EXECUTE', 'FUNCTION', 'number_outcomes')
), held AS (
    SELECT w.*,
           CASE w.kind
               WHEN 'SCHEMA' THEN has_schema_privilege(r.oid, w.object, w.privilege)
               WHEN 'TABLE' THEN has_table_privilege(r.oid, to_regclass('embark.' || w.object), w.privilege)
               -- Every function of the schema that is granted has one signature.
               ELSE has_function_privilege(r.oid, (SELECT p.oid FROM pg_proc AS p
                                                    WHERE p.pronamespace = 'embark'::regnamespace
                                                      AND p.proname = w.object), w.privilege)
           END AS is_held
      FROM wanted AS w
      -- A role that is missing altogether is another check's finding.
      JOIN pg_roles AS r ON r.rolname = w.role_name
)
SELECT h.role_name,
       lower(h.privilege) || ' ' || CASE h.kind WHEN 'SCHEMA' THEN 'schema embark' ELSE 'embark.' || h.object END AS lost_right,
       format('GRANT %s ON %s %s TO %I;', h.privilege, h.kind,
              CASE h.kind WHEN 'SCHEMA' THEN 'embark' ELSE 'embark.' || h.object END, h.role_name) AS remedy
  FROM held AS h
 WHERE NOT coalesce(h.is_held, false)
 ORDER BY h.role_name, h.kind DESC, h.object
