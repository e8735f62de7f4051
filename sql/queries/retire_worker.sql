-- The worker ends in order: nothing of it is left to look for.
--   $1 bigint worker id
DELETE FROM embark.workers WHERE id = $1
