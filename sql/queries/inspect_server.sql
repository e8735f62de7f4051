-- Which server this is, as whom we speak to it, and what its clock says.
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS version_number,
       current_user::text AS user_name, current_database()::text AS database_name,
       clock_timestamp() AS clock,
       coalesce((SELECT x.ssl FROM pg_stat_ssl AS x WHERE x.pid = pg_backend_pid()), false) AS encrypted
