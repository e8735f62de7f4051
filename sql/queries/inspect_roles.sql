-- The roles that are missing, and those that can log in or are superusers although a group must not.
SELECT w.name,
       r.oid IS NOT NULL AS present,
       coalesce(r.rolcanlogin OR r.rolsuper OR r.rolbypassrls, false) AS too_mighty
  FROM unnest(ARRAY['embark_owner', 'embark_migrator', 'embark_worker', 'embark_upstream', 'embark_operator',
                    'embark_reader', 'embark_token_reader']) AS w (name)
  LEFT JOIN pg_roles AS r ON r.rolname = w.name
 ORDER BY w.name
