-- One signup by its id or its external id, with its plan and its job. Arrays are read as lists of names, whatever was written
-- into them.
--   $1 bigint id or NULL   $2 text external_id or NULL
SELECT t.id, t.external_id, t.flow, t.state, t.step, t.waiting_on, t.error_code, t.error_message,
       t.waba_id, t.phone_number_id, t.business_id, t.allocation_config_id, t.test_message_id,
       ARRAY (SELECT coalesce(n.name, '') FROM unnest(t.warnings) WITH ORDINALITY AS n (name, place) ORDER BY n.place) AS warnings,
       t.generation, t.created_at, t.updated_at,
       CASE WHEN isfinite(t.updated_at) THEN clock_timestamp() - t.updated_at ELSE interval '0' END AS age,
       ARRAY (SELECT coalesce(n.name, '') FROM unnest(s.plan) WITH ORDINALITY AS n (name, place) ORDER BY n.place) AS plan,
       l.state AS job_state, l.due_at, l.last_error_code, l.last_error_message, s.token_expires_at,
       (to_jsonb(t) || jsonb_build_object('id', t.id::text, 'plan', s.plan, 'due_at', l.due_at, 'job_state', l.state,
                                           'token_expires_at', s.token_expires_at)) AS json
  FROM embark.signup_status AS t
  JOIN embark.signups AS s ON s.id = t.id
  LEFT JOIN embark.job_list AS l ON l.signup_id = t.id AND l.state <> 'failed'
 WHERE t.id = (SELECT n.id FROM embark.signups AS n WHERE n.id = $1
               UNION ALL
               SELECT n.id FROM embark.signups AS n WHERE n.external_id = $2
               LIMIT 1)
