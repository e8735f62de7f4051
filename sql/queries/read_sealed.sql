-- The sealed values of the next signups, in the order of their ids, and the last id that there is.
--   $1 bigint behind which signup   $2 integer how many signups at most
SELECT x.signup_id, x.sealed_token, x.sealed_pin, (SELECT max(m.signup_id) FROM embark.secrets AS m) AS last_signup
  FROM embark.secrets AS x
 WHERE x.signup_id > $1
 ORDER BY x.signup_id
 LIMIT $2::integer
