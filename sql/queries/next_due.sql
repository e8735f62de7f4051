-- Whether there is work, now or later: how many jobs there are, and in how many seconds the next one is due.
SELECT (SELECT count(*) FROM (SELECT FROM embark.jobs LIMIT 1) AS any_job)::integer AS jobs,
       (SELECT extract(epoch FROM min(j.due_at) - clock_timestamp()) FROM embark.jobs AS j)::double precision AS seconds
