-- Login roles that can read the table of secrets though they are neither workers nor owners nor superusers.
SELECT r.rolname::text AS role_name
  FROM pg_roles AS r
 WHERE r.rolcanlogin
   AND NOT r.rolsuper
   AND NOT pg_has_role(r.oid, 'embark_worker', 'USAGE')
   AND NOT pg_has_role(r.oid, 'embark_owner', 'USAGE')
   AND (has_table_privilege(r.oid, 'embark.secrets', 'SELECT')
        OR has_any_column_privilege(r.oid, 'embark.secrets', 'SELECT'))
 ORDER BY 1
