-- Puts the sealed PIN in the place of the plain one, committed before any call that carries it. An earlier worker's PIN
-- stays: Graph may already hold it. Returns the PIN that counts.
--   $1 bigint signup id   $2 text sealed PIN
UPDATE embark.secrets AS x
   SET sealed_pin = coalesce(x.sealed_pin, $2), pin = NULL
 WHERE x.signup_id = $1
RETURNING x.sealed_pin
