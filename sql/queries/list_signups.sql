-- A page of signups, newest first, by key: a page further on costs what the first one does.
--   $1 text state or NULL   $2 text waiting_on or NULL   $3 bigint: only ids below, or NULL   $4 integer: how many
--   $5 text waba_id or NULL
SELECT s.id, s.external_id, s.waba_id, s.state, s.step, s.waiting_on, s.error_code,
       clock_timestamp() - s.updated_at AS age,
       (to_jsonb(s) || jsonb_build_object('id', s.id::text)) AS json
  FROM embark.signup_status AS s
 WHERE ($1::text IS NULL OR s.state = $1)
   AND ($2::text IS NULL OR s.waiting_on = $2)
   AND ($3::bigint IS NULL OR s.id < $3)
   AND ($5::text IS NULL OR s.waba_id = $5)
 ORDER BY s.id DESC
 LIMIT $4::integer
