-- Every object of the schema, a digest of what it is, and what is plainly wrong with it. sql/catalogue/catalogue.txt is
-- what a database gives that the migrations have just made (scripts/catalogue writes it). Left out is what operators set
-- themselves (storage settings), what other checks look at (rights, search_path of SECURITY DEFINER functions), and what the
-- versions of PostgreSQL spell differently: of a view's text blanks, brackets and qualifiers.
-- Run with search_path = pg_catalog.
WITH schema AS (
    SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'embark'
), relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relowner
      FROM pg_class AS c
     WHERE c.relnamespace = (SELECT s.oid FROM schema AS s)
), object AS (
    SELECT CASE r.relkind WHEN 'v' THEN 'view ' ELSE 'table ' END || r.relname AS name,
           concat_ws(' ', r.relkind, r.relpersistence,
                     CASE WHEN r.relkind = 'v' THEN
                         regexp_replace(pg_get_viewdef(r.oid), '\s|[()]|\m[a-z_]+\.', '', 'g') END) AS definition,
           CASE WHEN pg_get_userbyid(r.relowner) <> 'embark_owner' THEN 'is not owned by embark_owner' END AS problem
      FROM relation AS r
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'column ' || r.relname || '.' || a.attname,
           concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                     a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid)),
           NULL
      FROM relation AS r
      JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'constraint ' || k.conname || ' of ' || r.relname, pg_get_constraintdef(k.oid),
           CASE WHEN NOT k.convalidated THEN 'is not validated' END
      FROM relation AS r
      JOIN pg_constraint AS k ON k.conrelid = r.oid
     -- From PostgreSQL 18 on NOT NULL is a constraint, too; here it belongs to the column.
     WHERE k.contype <> 'n'
    UNION ALL
    SELECT 'index ' || r.relname, pg_get_indexdef(r.oid),
           CASE WHEN NOT (i.indisvalid AND i.indisready) THEN 'is not valid' END
      FROM relation AS r
      JOIN pg_index AS i ON i.indexrelid = r.oid
     -- Those of constraints go with them.
     WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = r.oid)
    UNION ALL
    SELECT 'trigger ' || t.tgname || ' of ' || r.relname, pg_get_triggerdef(t.oid),
           CASE WHEN t.tgenabled <> 'O' THEN 'is not enabled' END
      FROM relation AS r
      JOIN pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    -- Embark has no two of one name; if somebody makes a second one, their arguments tell them apart.
    SELECT 'function ' || p.proname || CASE WHEN count(*) OVER (PARTITION BY p.proname) > 1 THEN
               '(' || pg_get_function_identity_arguments(p.oid) || ')' ELSE '' END,
           concat_ws(' ', md5(p.prosrc), pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,
                     p.provolatile, p.proisstrict, p.prosecdef,
                     (SELECT string_agg(c.entry, ' ' ORDER BY c.entry COLLATE "C") FROM unnest(p.proconfig) AS c (entry)
                       WHERE c.entry NOT LIKE 'search\_path=%')),
           CASE WHEN pg_get_userbyid(p.proowner) <> 'embark_owner' THEN 'is not owned by embark_owner' END
      FROM pg_proc AS p
      JOIN pg_language AS l ON l.oid = p.prolang
     WHERE p.pronamespace = (SELECT s.oid FROM schema AS s)
    UNION ALL
    SELECT 'type ' || y.typname,
           (SELECT string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = y.oid),
           CASE WHEN pg_get_userbyid(y.typowner) <> 'embark_owner' THEN 'is not owned by embark_owner' END
      FROM pg_type AS y
     WHERE y.typnamespace = (SELECT s.oid FROM schema AS s) AND y.typtype IN ('e', 'd')
)
SELECT o.name, left(md5(coalesce(o.definition, '')), 12) AS digest, o.problem
  FROM object AS o
 ORDER BY o.name COLLATE "C"
