-- Waits until no other process migrates this database; the lock ends with the transaction, so a killed process leaves none.
-- 2 is this lock's number within Embark.
SELECT pg_advisory_xact_lock(hashtext('embark'), 2)
