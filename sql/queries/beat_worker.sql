-- Says that the worker lives, and whether it sleeps: only sleepers are notified of new jobs.
--   $1 bigint worker id   $2 boolean sleeping   $3 integer calls in flight
UPDATE embark.workers SET seen_at = clock_timestamp(), sleeping = $2, in_flight = $3 WHERE id = $1
