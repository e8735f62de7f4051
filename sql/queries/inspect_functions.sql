-- Functions of the schema that could be turned against it. Whose they are is looked at with the rest of the catalogue.
SELECT p.oid::regprocedure::text AS function,
       CASE WHEN p.prosecdef AND NOT coalesce(
                     'search_path=pg_catalog, embark, pg_temp' = ANY (p.proconfig), false) THEN
                'is SECURITY DEFINER without a pinned search_path'
            ELSE 'may be called by everybody' END AS problem
  FROM pg_proc AS p
 WHERE p.pronamespace = 'embark'::regnamespace
   AND (p.prosecdef AND NOT coalesce('search_path=pg_catalog, embark, pg_temp' = ANY (p.proconfig), false)
        OR has_function_privilege('public', p.oid, 'EXECUTE'))
 ORDER BY 1
