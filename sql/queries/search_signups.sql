-- The signups that a word from an alert, a log or a customer may mean, the likeliest first: the signup's own id, then its
-- external id, its account, its number, then the fbtrace id of one of its calls. Of those found in the same way the ones
-- that failed come first, last moved first.
--   $1 bigint: the word as a signup's id, or NULL   $2 text: the word
-- Each part goes through an index of its own: the two keys, signups_waba_id, signups_phone_number_id and
-- attempts_fbtrace_id, which holds failures only, for Graph names a call in an error alone. Each has a bound, which the
-- planner takes for an estimate as well.
WITH found AS (
    SELECT 1 AS place, 'id' AS found_by, NULL::text AS at_step, s.id FROM embark.signups AS s WHERE s.id = $1
     UNION ALL
    SELECT 2, 'external_id', NULL, s.id FROM embark.signups AS s WHERE s.external_id = $2
     UNION ALL
    -- Plus nothing, so that the order does not tempt the planner to walk all signups from the newest one: an account and a
    -- number have few.
    (SELECT 3, 'waba_id', NULL, s.id FROM embark.signups AS s WHERE s.waba_id = $2 ORDER BY s.id + 0 DESC LIMIT 21)
     UNION ALL
    (SELECT 4, 'phone_number_id', NULL, s.id FROM embark.signups AS s WHERE s.phone_number_id = $2
      ORDER BY s.id + 0 DESC LIMIT 21)
     UNION ALL
    (SELECT 5, 'fbtrace_id', a.step, a.signup_id FROM embark.attempts AS a WHERE a.fbtrace_id = $2 LIMIT 21)
), likeliest AS (
    SELECT DISTINCT ON (f.id) f.place, f.found_by, f.at_step, f.id FROM found AS f ORDER BY f.id, f.place
)
SELECT l.found_by, l.at_step, t.id, t.external_id, t.state, t.step, t.error_code,
       CASE WHEN isfinite(t.updated_at) THEN clock_timestamp() - t.updated_at ELSE interval '0' END AS age
  FROM likeliest AS l
  JOIN embark.signup_status AS t ON t.id = l.id
 ORDER BY l.place, (t.state = 'failed') DESC, t.updated_at DESC, t.id DESC
 LIMIT 21
