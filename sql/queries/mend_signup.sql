-- Sets the number or the currency of a failed signup.
--   $1 bigint signup id   $2 text number or NULL   $3 text currency or NULL   $4 text reason
SELECT embark.mend($1, $2, $3, session_user, $4)::text
