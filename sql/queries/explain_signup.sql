-- All that a card says about one signup, by its id or its external id: the signup, its job, the last attempt of this
-- generation that ended with an error, what keeps its job from being called, and who gave it up.
--   $1 bigint id or NULL   $2 text external_id or NULL
SELECT t.id, t.external_id, t.flow, t.state, t.step, t.waiting_on, t.error_code, t.error_message,
       t.waba_id, t.phone_number_id, t.allocation_config_id,
       ARRAY (SELECT coalesce(n.name, '') FROM unnest(t.warnings) WITH ORDINALITY AS n (name, place) ORDER BY n.place) AS warnings,
       t.generation,
       CASE WHEN isfinite(t.updated_at) THEN clock_timestamp() - t.updated_at ELSE interval '0' END AS age,
       ARRAY (SELECT coalesce(n.name, '') FROM unnest(s.plan) WITH ORDINALITY AS n (name, place) ORDER BY n.place) AS plan,
       ARRAY (SELECT DISTINCT k.detail ->> 'failed_step'
                FROM embark.audit AS k
               WHERE k.signup_id = s.id AND k.action = 'skip' AND k.detail ->> 'failed_step' IS NOT NULL
                 AND NOT EXISTS (SELECT FROM embark.attempts AS b
                                  WHERE b.signup_id = s.id AND b.step = k.detail ->> 'failed_step' AND b.verdict = 'done'
                                    AND b.finished_at > k.at)) AS skipped,
       CASE WHEN j.due_at <= clock_timestamp() THEN 'ready'
            WHEN j.lease_id IS NOT NULL THEN 'running'
            WHEN j.signup_id IS NOT NULL THEN 'scheduled' END AS job_state,
       j.attempt AS job_attempts,
       CASE WHEN isfinite(j.due_at) THEN j.due_at - clock_timestamp() END AS due_in,
       a.step AS last_error_step, a.error_code AS last_error_code, a.error_message AS last_error_message,
       a.http_status::integer AS last_http_status, a.fbtrace_id AS last_fbtrace_id,
       r.calls AS register_calls, r.free_at AS register_free_at,
       CASE WHEN isfinite(r.free_at) THEN r.free_at - clock_timestamp() END AS register_free_in,
       p.scope AS pause_scope, p.reason AS pause_reason, p.until AS pause_until,
       CASE WHEN isfinite(p.until) THEN p.until - clock_timestamp() END AS pause_left, p.credentials AS pause_credentials,
       c.actor AS cancelled_by, c.reason AS cancel_reason
  FROM embark.signup_status AS t
  JOIN embark.signups AS s ON s.id = t.id
  LEFT JOIN embark.jobs AS j ON j.signup_id = t.id
  LEFT JOIN LATERAL (
       SELECT e.step, e.verdict, e.error_code, e.error_message, e.http_status, e.fbtrace_id
         FROM embark.attempts AS e
        WHERE e.signup_id = t.id AND e.generation = t.generation AND e.verdict <> 'stale'
          AND e.error_code IS NOT NULL
        ORDER BY e.finished_at DESC
        LIMIT 1) AS a ON true
  -- The quota is the number's, however many signups it has had. An operator's replay may make the ninth call and none after
  -- it: with nine, the next may be made when the oldest of the last nine is 72 hours old.
  CROSS JOIN LATERAL (
       SELECT count(*)::integer AS calls,
              (array_agg(least(q.called_at, timestamptz '9999-12-31 00:00Z') ORDER BY q.called_at DESC))[9]
                  + interval '72 hours' AS free_at
         FROM embark.register_calls AS q
        WHERE q.phone_number_id = t.phone_number_id
          AND q.called_at > clock_timestamp() - interval '72 hours') AS r
  -- What keeps its job from being called, or would keep a replay of the step at which it failed: our own credentials first, for
  -- they need somebody, then the longest. An exchange rests with our system token when it is the recovery of a lost token,
  -- which is then put off. Of a failed signup it is the pause of its account or number that says when Meta listens again.
  LEFT JOIN LATERAL (
       SELECT h.scope, h.reason, h.until, h.credentials
         FROM embark.throttles AS h
        WHERE (j.signup_id IS NOT NULL OR t.state = 'failed') AND h.until > clock_timestamp()
          AND h.scope IN (CASE WHEN j.signup_id IS NOT NULL THEN 'app' END,
                          CASE WHEN j.step IN ('assign_system_user', 'share_credit_line')
                                 OR (j.step = 'exchange_code' AND a.verdict = 'throttle') THEN 'system' END,
                          CASE WHEN j.step = 'share_credit_line' THEN 'credit' END,
                          CASE WHEN t.step <> 'exchange_code' THEN 'waba:' || s.waba_id END,
                          CASE WHEN t.step IN ('register_phone', 'sync_contacts', 'sync_history', 'send_test_message')
                               THEN 'phone:' || s.phone_number_id END)
        ORDER BY h.credentials DESC, h.until DESC
        LIMIT 1) AS p ON true
  LEFT JOIN LATERAL (
       SELECT u.actor, u.reason
         FROM embark.audit AS u
        WHERE t.state = 'cancelled' AND u.signup_id = t.id AND u.action = 'cancel'
        ORDER BY u.id DESC
        LIMIT 1) AS c ON true
 WHERE t.id = (SELECT n.id FROM embark.signups AS n WHERE n.id = $1
               UNION ALL
               SELECT n.id FROM embark.signups AS n WHERE n.external_id = $2
               LIMIT 1)
