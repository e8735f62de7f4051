-- All that a card says about one signup, by its id or its external id: the signup, its job, and the last attempt of this
-- generation that ended with an error.
--   $1 bigint id or NULL   $2 text external_id or NULL
SELECT t.id, t.external_id, t.flow, t.state, t.step, t.waiting_on, t.error_code, t.error_message,
       t.waba_id, t.phone_number_id, t.allocation_config_id, t.warnings, t.generation,
       clock_timestamp() - t.updated_at AS age,
       s.plan,
       CASE WHEN j.due_at <= clock_timestamp() THEN 'ready'
            WHEN j.lease_id IS NOT NULL THEN 'running'
            WHEN j.signup_id IS NOT NULL THEN 'scheduled' END AS job_state,
       j.due_at - clock_timestamp() AS due_in,
       a.error_code AS last_error_code, a.error_message AS last_error_message,
       a.http_status::integer AS last_http_status, a.fbtrace_id AS last_fbtrace_id,
       -- The quota is the number's, however many signups it has had.
       (SELECT count(*) FROM embark.register_calls AS r
         WHERE r.phone_number_id = t.phone_number_id
           AND r.called_at > clock_timestamp() - interval '72 hours')::integer AS register_calls,
       p.scope AS pause_scope, p.reason AS pause_reason, p.until - clock_timestamp() AS pause_left, p.credentials AS pause_credentials
  FROM embark.signup_status AS t
  JOIN embark.signups AS s ON s.id = t.id
  LEFT JOIN embark.jobs AS j ON j.signup_id = t.id
  LEFT JOIN LATERAL (
       SELECT e.error_code, e.error_message, e.http_status, e.fbtrace_id
         FROM embark.attempts AS e
        WHERE e.signup_id = t.id AND e.generation = t.generation AND e.verdict <> 'stale'
          AND e.error_code IS NOT NULL
        ORDER BY e.finished_at DESC
        LIMIT 1) AS a ON true
  -- What keeps its job from being called, the longest of it.
  LEFT JOIN LATERAL (
       SELECT h.scope, h.reason, h.until, h.credentials
         FROM embark.throttles AS h
        WHERE j.signup_id IS NOT NULL AND h.until > clock_timestamp()
          AND h.scope IN ('app', CASE WHEN j.step IN ('assign_system_user', 'share_credit_line') THEN 'system' END,
                          CASE WHEN j.step = 'share_credit_line' THEN 'credit' END,
                          CASE WHEN j.step <> 'exchange_code' THEN 'waba:' || s.waba_id END,
                          CASE WHEN j.step IN ('register_phone', 'sync_contacts', 'sync_history', 'send_test_message')
                               THEN 'phone:' || s.phone_number_id END)
        ORDER BY h.until DESC
        LIMIT 1) AS p ON true
 WHERE t.id = (SELECT n.id FROM embark.signups AS n WHERE n.id = $1
               UNION ALL
               SELECT n.id FROM embark.signups AS n WHERE n.external_id = $2
               LIMIT 1)
