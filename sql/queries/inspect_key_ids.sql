-- The ids of the keys that sealed texts need, with how many texts: of the oldest and of the newest signups, for a rotation
-- that did not end leaves its rest at one end. The id stands in the protected header, which is base64url; what is none is
-- left out, for opening it says so. Only a worker's role and the owner may look.
--   $1 integer how many signups from each end
WITH looked_at AS MATERIALIZED (
    (SELECT x.signup_id, x.sealed_pin, x.sealed_token FROM embark.secrets AS x ORDER BY x.signup_id LIMIT $1::integer)
    UNION
    (SELECT x.signup_id, x.sealed_pin, x.sealed_token FROM embark.secrets AS x ORDER BY x.signup_id DESC LIMIT $1::integer)
), header AS (
    SELECT split_part(sealed, '.', 1) AS text
      FROM looked_at AS l
     CROSS JOIN unnest(ARRAY[l.sealed_pin, l.sealed_token]) AS sealed
     WHERE sealed IS NOT NULL
)
SELECT k.id, count(*) AS texts
  FROM header AS h
 -- As escapes, which any bytes can be made into.
 CROSS JOIN LATERAL (
       SELECT substring(encode(decode(rpad(translate(h.text, '-_', '+/'), (length(h.text) + 3) / 4 * 4, '='), 'base64'), 'escape')
                        FROM '"kid":"([^"\\]*)"') AS id
        WHERE h.text ~ '^[A-Za-z0-9_-]+$' AND length(h.text) % 4 <> 1) AS k
 WHERE k.id IS NOT NULL
 GROUP BY k.id
 ORDER BY k.id
