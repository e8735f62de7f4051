-- Numbers outcomes that have committed; one process at a time. Returns how many.
--   $1 integer how many at most
SELECT embark.number_outcomes($1)
