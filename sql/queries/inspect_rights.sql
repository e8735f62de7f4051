-- Rights that the migrations granted and that are gone, with the statement that gives them back. A test takes all rights
-- from each role and compares what these statements give back with what the migrations had granted.
WITH granted (role_names, kind, privilege, objects) AS (VALUES
    ('{embark_upstream,embark_operator,embark_reader,embark_token_reader,embark_worker}'::text[], 'SCHEMA', 'USAGE',
     '{embark}'::text[]),
    ('{embark_upstream}', 'FUNCTION', 'EXECUTE', '{enqueue_signup,renew_signup}'),
    ('{embark_upstream}', 'TABLE', 'INSERT', '{signup_inbox}'),
    ('{embark_upstream}', 'TABLE', 'SELECT (id)', '{signup_inbox}'),
    ('{embark_upstream,embark_operator,embark_reader}', 'FUNCTION', 'EXECUTE', '{outcomes_since}'),
    ('{embark_upstream,embark_operator,embark_reader,embark_worker}', 'TABLE', 'SELECT', '{signup_status}'),
    ('{embark_operator,embark_reader,embark_worker}', 'TABLE', 'SELECT',
     '{job_list,installation,signups,jobs,attempts,outcomes,throttles,register_calls,credit_shares,workers,audit,schema_migrations}'),
    ('{embark_operator}', 'FUNCTION', 'EXECUTE', '{replay,replay_refusal,skip,cancel,resolve,pause,resume,mend}'),
    ('{embark_operator,embark_reader,embark_worker}', 'FUNCTION', 'EXECUTE', '{count_sealed}'),
    ('{embark_token_reader}', 'FUNCTION', 'EXECUTE', '{credential}'),
    ('{embark_worker}', 'FUNCTION', 'EXECUTE', '{number_outcomes,delete_old_attempts}'),
    ('{embark_worker}', 'TABLE', 'SELECT', '{secrets}'),
    ('{embark_worker}', 'TABLE', 'UPDATE', '{secrets,signups,jobs,throttles,workers,credit_shares}'),
    ('{embark_worker}', 'TABLE', 'INSERT', '{jobs,throttles,workers,credit_shares,attempts,outcomes,register_calls}'),
    ('{embark_worker}', 'TABLE', 'DELETE', '{jobs,throttles,workers,credit_shares,attempts,register_calls}')
), wanted AS (
    SELECT role_name, g.kind, g.privilege, object
      FROM granted AS g
     CROSS JOIN unnest(g.role_names) AS role_name
     CROSS JOIN unnest(g.objects) AS object
), held AS (
    SELECT w.role_name, w.kind, w.privilege, w.object,
           CASE
               WHEN w.kind = 'SCHEMA' THEN has_schema_privilege(r.oid, w.object, w.privilege)
               WHEN w.privilege = 'SELECT (id)' THEN
                   has_column_privilege(r.oid, to_regclass('embark.' || w.object), 'id', 'SELECT')
               WHEN w.kind = 'TABLE' THEN has_table_privilege(r.oid, to_regclass('embark.' || w.object), w.privilege)
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
 ORDER BY h.role_name, h.kind DESC, h.object, h.privilege
