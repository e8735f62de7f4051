-- A process that starts gets an id that was never used before. It is committed before the first claim: leases are made of it.
-- Its keys are told before it seals anything: a rotation asks who has which. It learns what time it is: its own clock may be off.
--   $1 text host   $2 integer pid   $3 text version   $4 text[] ids of its sealing keys, the one that seals first
INSERT INTO embark.workers (host, pid, version, key_ids) VALUES ($1, $2, $3, $4) RETURNING id, extract(epoch FROM clock_timestamp())::double precision AS unix_seconds
