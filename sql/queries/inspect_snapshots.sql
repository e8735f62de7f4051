-- What keeps the server from removing dead rows, the oldest first, with how to end it: an open transaction here or on a
-- standby that sends its feedback, a replication slot, a prepared transaction. Vacuum's own snapshots hold nothing back.
-- Of other users' sessions it sees nothing without the rights of pg_read_all_stats: inspect_sight tells.
--   $1 integer how many
SELECT h.holder, age(h.xmin)::bigint AS transactions,
       extract(epoch FROM clock_timestamp() - h.since)::double precision AS seconds, h.remedy
  FROM (
    SELECT format('session %s of %s%s (%s)', a.pid, coalesce(a.usename::text, '?'),
                  CASE WHEN a.application_name = '' THEN '' ELSE ', ' || a.application_name END,
                  coalesce(a.state, a.backend_type)) AS holder,
           coalesce(a.backend_xmin, a.backend_xid) AS xmin, a.xact_start AS since,
           format('SELECT pg_terminate_backend(%s);', a.pid) AS remedy
      FROM pg_stat_activity AS a
     WHERE a.pid <> pg_backend_pid()
       AND a.backend_type NOT IN ('autovacuum worker', 'walsender')
       AND (a.datid IS NULL OR a.datname = current_database())
    UNION ALL
    SELECT format('standby %s (hot_standby_feedback)', coalesce(nullif(r.application_name, ''), r.pid::text)), r.backend_xmin,
           NULL, 'Look for a long query on the standby.'
      FROM pg_stat_replication AS r
    UNION ALL
    SELECT format('replication slot %s (%s)', s.slot_name, CASE WHEN s.active THEN 'active' ELSE 'inactive' END),
           CASE WHEN age(s.catalog_xmin) > coalesce(age(s.xmin), 0) THEN s.catalog_xmin ELSE s.xmin END, NULL,
           format('If nobody uses it any more: SELECT pg_drop_replication_slot(%L);', s.slot_name)
      FROM pg_replication_slots AS s
    UNION ALL
    SELECT format('prepared transaction %s of %s', p.gid, p.owner), p.transaction, p.prepared,
           format('COMMIT PREPARED %L; or ROLLBACK PREPARED %L;', p.gid, p.gid)
      FROM pg_prepared_xacts AS p
     WHERE p.database = current_database()
  ) AS h
 WHERE h.xmin IS NOT NULL
 ORDER BY age(h.xmin) DESC, h.since
 LIMIT $1::integer
