-- A page of signups, newest first, by key: a page further on costs what the first one does.
--   $1 text state or NULL   $2 text waiting_on or NULL   $3 text step or NULL   $4 text error_code or NULL
--   $5 text waba_id or NULL
--   $6 double precision: changed its state in the last so many seconds, or NULL   $7 timestamptz: then or later, or NULL
--   $8 double precision: longer ago than so many seconds, or NULL   $9 timestamptz: before then, or NULL
--   $10 bigint: only ids below, or NULL   $11 integer: how many
-- Each way to find them is a branch of its own; the conditions on parameters alone are looked at once, so that only the
-- branches that can hold what was asked for are run. Of each branch a page is enough. The plan is made for the values, for the
-- statement is sent once a session; now() and not the clock, whose value the planner could not reckon with. No index was added for
-- this: each costs an enqueue a microsecond, and what has none is found in 0.2 s at a million signups by going through them all.
WITH picked AS MATERIALIZED (
    -- One account's: few.
    (SELECT s.id
       FROM embark.signups AS s
       LEFT JOIN embark.jobs AS j ON j.signup_id = s.id
      WHERE $5::text IS NOT NULL AND s.waba_id = $5
        AND ($1::text IS NULL OR s.state::text = $1)
        AND ($2::text IS NULL OR s.waiting_on::text = $2)
        AND ($3::text IS NULL OR coalesce(j.step, s.failed_step) = $3)
        AND ($4::text IS NULL OR s.error_code = $4)
        AND s.updated_at >= coalesce($7::timestamptz, now() - $6::double precision * interval '1 second', '-infinity')
        AND s.updated_at < coalesce($9::timestamptz, now() - $8::double precision * interval '1 second', 'infinity')
        AND ($10::bigint IS NULL OR s.id < $10)
      ORDER BY s.id DESC LIMIT $11::integer)
    UNION ALL
    -- Failed: what waits on somebody or has an error has, and what stands at a step may have.
    (SELECT s.id
       FROM embark.signups AS s
      WHERE $5::text IS NULL
        AND ($1::text = 'failed'
             OR $1::text IS NULL AND ($2::text IS NOT NULL OR $3::text IS NOT NULL OR $4::text IS NOT NULL))
        AND s.state = 'failed'
        AND ($4::text IS NULL OR s.error_code = $4)
        AND ($2::text IS NULL OR s.waiting_on::text = $2)
        AND ($3::text IS NULL OR s.failed_step = $3)
        AND s.updated_at >= coalesce($7::timestamptz, now() - $6::double precision * interval '1 second', '-infinity')
        AND s.updated_at < coalesce($9::timestamptz, now() - $8::double precision * interval '1 second', 'infinity')
        AND ($10::bigint IS NULL OR s.id < $10)
      ORDER BY s.id DESC LIMIT $11::integer)
    UNION ALL
    -- At a step and running: those are jobs.
    (SELECT s.id
       FROM embark.jobs AS j
       JOIN embark.signups AS s ON s.id = j.signup_id
      WHERE $5::text IS NULL AND $4::text IS NULL AND $2::text IS NULL AND $3::text IS NOT NULL
        AND coalesce($1::text, 'running') = 'running'
        AND j.step = $3
        AND s.state = 'running'
        AND s.updated_at >= coalesce($7::timestamptz, now() - $6::double precision * interval '1 second', '-infinity')
        AND s.updated_at < coalesce($9::timestamptz, now() - $8::double precision * interval '1 second', 'infinity')
        AND ($10::bigint IS NULL OR j.signup_id < $10)
      ORDER BY j.signup_id DESC LIMIT $11::integer)
    UNION ALL
    -- All of them, and what the newest are likely to be.
    (SELECT s.id
       FROM embark.signups AS s
      WHERE $5::text IS NULL AND $4::text IS NULL AND $3::text IS NULL AND $2::text IS NULL
        AND ($1::text IS NULL OR $1::text <> 'failed' AND s.state::text = $1)
        AND s.updated_at >= coalesce($7::timestamptz, now() - $6::double precision * interval '1 second', '-infinity')
        AND s.updated_at < coalesce($9::timestamptz, now() - $8::double precision * interval '1 second', 'infinity')
        AND ($10::bigint IS NULL OR s.id < $10)
      ORDER BY s.id DESC LIMIT $11::integer)
), page AS MATERIALIZED (
    SELECT p.id FROM picked AS p ORDER BY p.id DESC LIMIT $11::integer
)
SELECT t.id, t.external_id, t.waba_id, t.state, t.step, t.waiting_on, t.error_code,
       CASE WHEN isfinite(t.updated_at) THEN clock_timestamp() - t.updated_at ELSE interval '0' END AS age,
       (to_jsonb(t) || jsonb_build_object('id', t.id::text)) AS json
  FROM page AS p
 CROSS JOIN LATERAL (SELECT v.id, v.external_id, v.flow, v.state, v.step, v.waiting_on, v.error_code, v.error_message,
                            v.waba_id, v.phone_number_id, v.business_id, v.allocation_config_id, v.test_message_id,
                            v.test_message_wa_id, v.warnings, v.generation, v.created_at, v.updated_at, v.metadata
                       FROM embark.signup_status AS v WHERE v.id = p.id) AS t
 ORDER BY p.id DESC
