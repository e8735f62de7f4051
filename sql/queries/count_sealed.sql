-- Sealed values by purpose and header; the row without a purpose has how many signups were looked at, and the last one's id. Each
-- has the last id that there is: how far the end is away.
--   $1 bigint behind which signup   $2 integer how many signups at most
SELECT c.purpose, c.header, c.sealed, c.last_signup, (SELECT max(s.id) FROM embark.signups AS s) AS end_signup
  FROM embark.count_sealed($1, $2) AS c
