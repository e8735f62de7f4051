-- Puts values that another key has sealed in the place of those that were read, where nobody has changed them since. A row that
-- a worker holds is left alone: to wait for it while others are held could end in a deadlock. Returns the changed values.
--   $1 bigint[] signup id   $2 text[] token that was read, or NULL   $3 text[] the new one, or NULL   $4 text[] PIN that was read
--   $5 text[] the new one
WITH held AS MATERIALIZED (
    SELECT f.signup_id, f.old_token, f.new_token, f.old_pin, f.new_pin
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
           AS f (signup_id, old_token, new_token, old_pin, new_pin)
      JOIN embark.secrets AS x ON x.signup_id = f.signup_id
     WHERE x.sealed_token = f.old_token OR x.sealed_pin = f.old_pin
     ORDER BY f.signup_id
       FOR UPDATE OF x SKIP LOCKED
), changed AS (
    UPDATE embark.secrets AS x
       SET sealed_token = CASE WHEN x.sealed_token = h.old_token THEN h.new_token ELSE x.sealed_token END,
           sealed_pin = CASE WHEN x.sealed_pin = h.old_pin THEN h.new_pin ELSE x.sealed_pin END
      FROM held AS h
     -- By the row's key, one look for each: the values are compared again with the version that is held.
     WHERE x.signup_id = h.signup_id AND (x.sealed_token = h.old_token OR x.sealed_pin = h.old_pin)
    RETURNING x.sealed_token, x.sealed_pin, h.new_token, h.new_pin
)
SELECT coalesce(sum((c.sealed_token = c.new_token IS TRUE)::integer + (c.sealed_pin = c.new_pin IS TRUE)::integer), 0)::integer
       AS resealed
  FROM changed AS c
