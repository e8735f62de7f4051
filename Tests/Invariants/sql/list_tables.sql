-- Every table that a dump has, but the one with the secrets; with the column that names a signup.
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       CASE WHEN c.oid = 'embark.signups'::regclass THEN 'id' ELSE 'signup_id' END AS key
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND c.oid <> 'embark.secrets'::regclass
 ORDER BY 1
