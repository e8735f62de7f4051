-- The call provably never left.
--   $1 bigint signup id   $2 bigint lease id
UPDATE embark.jobs AS j SET sent = false WHERE j.signup_id = $1 AND j.lease_id = $2
