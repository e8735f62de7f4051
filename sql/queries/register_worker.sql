-- A process that starts gets an id that was never used before. It is committed before the first claim: leases are made of it.
--   $1 text host   $2 integer pid   $3 text version
INSERT INTO embark.workers (host, pid, version) VALUES ($1, $2, $3) RETURNING id
