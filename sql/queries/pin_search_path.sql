-- For the rest of the transaction: the server spells the names of a definition by the search path.
SELECT set_config('search_path', 'pg_catalog', true) AS search_path
