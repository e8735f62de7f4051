-- Whether the queue's table is cleaned: its rows live for milliseconds, and without vacuum their remains slow each claim.
SELECT coalesce(t.n_dead_tup, 0) AS dead_rows,
       extract(epoch FROM clock_timestamp() - greatest(t.last_autovacuum, t.last_vacuum))::double precision AS vacuumed_seconds_ago,
       current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean
           AND NOT coalesce('autovacuum_enabled=false' = ANY (c.reloptions), false)
           AND NOT coalesce('autovacuum_enabled=off' = ANY (c.reloptions), false) AS is_automatic
  FROM pg_class AS c
  LEFT JOIN pg_stat_user_tables AS t ON t.relid = c.oid
 WHERE c.oid = 'embark.jobs'::regclass
