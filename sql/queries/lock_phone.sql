-- Serialises what is counted for one number; in a transaction with count_register_call, in front of it: a statement that
-- waited for a lock still sees what was there before it waited.
--   $1 text number id
SELECT pg_advisory_xact_lock(hashtext('embark'), hashtext($1))
