-- A signup's business token as it is kept: a compact JWE; NULL while there is none, or no such signup.
--   $1 bigint signup id
SELECT embark.credential($1)
