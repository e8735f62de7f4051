-- What lets this user see other users' sessions and their snapshots; no row when it sees them already. Without the right the
-- server shows them with NULLs, which look like sessions that hold nothing.
SELECT format('GRANT pg_read_all_stats TO %I;', current_user) AS remedy
 WHERE NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
