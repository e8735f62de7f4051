-- Says that the worker lives, and whether it sleeps: only sleepers are notified of new jobs. A worker that was silent for so
-- long that its row was deleted gets it back.
--   $1 bigint worker id   $2 boolean sleeping   $3 integer calls in flight   $4 text host   $5 integer pid   $6 text version
--   $7 text[] ids of its sealing keys
INSERT INTO embark.workers AS w (id, sleeping, in_flight, host, pid, version, key_ids)
OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (id) DO UPDATE
   SET seen_at = clock_timestamp(), sleeping = excluded.sleeping, in_flight = excluded.in_flight
