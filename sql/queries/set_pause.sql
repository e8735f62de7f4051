-- Pauses a scope on an operator's behalf and returns for how many seconds from now.
--   $1 text scope   $2 double precision seconds   $3 text reason
SELECT extract(epoch FROM embark.pause($1, clock_timestamp() + $2 * interval '1 second', session_user, $3)
                          - clock_timestamp())::double precision
