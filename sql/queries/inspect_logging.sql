-- Settings with which the server would write what upstream hands in, codes and PINs, into its log: for each login role
-- that may hand some in, after the settings of the role and of this database. Members do not inherit a group's settings, so
-- each login role needs them itself. The server's own value is the one that a new session would get. auto_explain's settings
-- are there where its library is loaded, or where the role has some; its plans show bound values only when they are verbose.
WITH login AS (
    SELECT r.oid, r.rolname::text AS role_name
      FROM pg_roles AS r
     WHERE r.rolcanlogin
       AND (pg_has_role(r.oid, 'embark_upstream', 'USAGE') OR pg_has_role(r.oid, 'embark_worker', 'USAGE')
            OR pg_has_role(r.oid, 'embark_operator', 'USAGE'))
), override AS (
    SELECT l.oid, split_part(c.entry, '=', 1) AS name, substr(c.entry, position('=' IN c.entry) + 1) AS value,
           row_number() OVER (PARTITION BY l.oid, split_part(c.entry, '=', 1)
                              ORDER BY (d.setrole <> 0 AND d.setdatabase <> 0) DESC, d.setrole <> 0 DESC) AS place
      FROM login AS l
      JOIN pg_db_role_setting AS d
        ON d.setrole IN (l.oid, 0)
       AND d.setdatabase IN (0, (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database()))
     CROSS JOIN LATERAL unnest(d.setconfig) AS c (entry)
), effective AS (
    SELECT l.role_name, w.name, coalesce(o.value, g.reset_val, w.unset) AS value
      FROM login AS l
     CROSS JOIN (VALUES ('log_statement', NULL), ('log_min_duration_statement', NULL), ('log_min_duration_sample', NULL),
                        ('log_transaction_sample_rate', NULL), ('log_parameter_max_length', NULL),
                        ('log_parameter_max_length_on_error', NULL),
                        ('auto_explain.log_min_duration', '-1'), ('auto_explain.log_verbose', 'off')) AS w (name, unset)
      LEFT JOIN pg_settings AS g ON g.name = w.name
      LEFT JOIN override AS o ON o.oid = l.oid AND o.name = w.name AND o.place = 1
)
-- The remedy names the database, too: a setting of the role in this database hides one of the role alone.
SELECT e.role_name, e.name, e.value,
       format('ALTER ROLE %I IN DATABASE %I SET %s = %L;', e.role_name, current_database(), e.name,
              CASE e.name WHEN 'log_statement' THEN 'none' WHEN 'auto_explain.log_verbose' THEN 'off' ELSE '0' END) AS remedy
  FROM effective AS e
 WHERE e.name = 'log_statement' AND e.value NOT IN ('none', 'ddl')
    OR e.name = 'log_parameter_max_length_on_error' AND e.value <> '0'
    OR e.name = 'log_parameter_max_length' AND e.value <> '0' AND EXISTS (
        SELECT FROM effective AS s
         WHERE s.role_name = e.role_name
           AND (s.name = 'log_statement' AND s.value NOT IN ('none', 'ddl')
                OR s.name IN ('log_min_duration_statement', 'log_min_duration_sample') AND s.value <> '-1'
                OR s.name = 'log_transaction_sample_rate' AND s.value::double precision > 0))
    OR e.name = 'auto_explain.log_verbose' AND e.value::boolean AND EXISTS (
        SELECT FROM effective AS s
         WHERE s.role_name = e.role_name AND s.name = 'auto_explain.log_min_duration' AND s.value <> '-1')
 ORDER BY e.role_name, e.name
