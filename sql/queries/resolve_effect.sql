-- Says whether an uncertain effect happened, and returns where the signup goes on: a step, or completed.
--   $1 bigint signup id   $2 boolean whether it happened   $3 text reason
--   $4 integer the generation that was seen, or NULL for any
SELECT embark.resolve($1, $2, session_user, $3, $4)
