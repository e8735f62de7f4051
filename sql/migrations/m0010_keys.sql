-- What a rotation of the sealing keys needs to know: which keys each worker has, and by which keys the stored values are sealed.

-- The ids of a worker's keys, its sealing key first: empty for a worker of a version that did not say.
ALTER TABLE embark.workers
    ADD COLUMN key_ids text[] NOT NULL DEFAULT '{}';

-- Counts the sealed values of the signups behind an id, at most so many signups, by what their headers say. A header is not
-- secret; it comes without the signup's own id, so that equal ones are counted together, and NULL where it is no base64url. The
-- row without a purpose has the number of signups that were looked at, and the last one's id.
CREATE FUNCTION embark.count_sealed(after_signup bigint, rows_max integer)
RETURNS TABLE (purpose text, header bytea, sealed bigint, last_signup bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, embark, pg_temp AS
$$
WITH page AS MATERIALIZED (
    SELECT x.signup_id, x.sealed_pin, x.sealed_token
      FROM embark.secrets AS x
     WHERE x.signup_id > after_signup
     ORDER BY x.signup_id
     LIMIT greatest(0, least(rows_max, 10000))
), part AS (
    SELECT p.signup_id, v.purpose, split_part(v.sealed, '.', 1) AS encoded
      FROM page AS p
     CROSS JOIN LATERAL (VALUES ('token', p.sealed_token), ('pin', p.sealed_pin)) AS v (purpose, sealed)
     WHERE v.sealed IS NOT NULL
), read AS (
    -- Whatever stands in a row, nothing of this may raise an error: it would end the count for all others.
    SELECT r.purpose,
           CASE WHEN length(r.encoded) < 4096 AND r.encoded ~ '^[A-Za-z0-9_-]+$' AND length(r.encoded) % 4 <> 1 THEN
               decode(replace(
                   encode(decode(rpad(translate(r.encoded, '-_', '+/'), (length(r.encoded) + 3) / 4 * 4, '='), 'base64'), 'escape'),
                   '"embark_signup":"' || r.signup_id || '"', '"embark_signup":""'), 'escape')
           END AS header
      FROM part AS r
)
SELECT r.purpose, r.header, count(*), NULL::bigint FROM read AS r GROUP BY r.purpose, r.header
 UNION ALL
SELECT NULL, NULL, count(*), max(p.signup_id) FROM page AS p
$$;
COMMENT ON FUNCTION embark.count_sealed IS
    'Counts the sealed values of at most rows_max signups behind after_signup, by purpose and header; shows no value.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA embark FROM PUBLIC;
GRANT EXECUTE ON FUNCTION embark.count_sealed TO embark_operator, embark_reader, embark_worker;
