-- Whether there is work, now or later.
SELECT EXISTS (SELECT FROM embark.jobs) AS has_jobs
