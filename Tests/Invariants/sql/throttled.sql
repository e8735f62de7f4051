-- Invariant 6: what Graph has told to rest is left alone until its time, by every process.
--
-- An answer counts when the attempt that met it is on record: a worker tells all others before it writes that, and one that died
-- in between could tell nobody. One without an error is quoted by no attempt: it counts for the next attempt of its account, if that
-- did not have to ask anew. From then on calls that had been let go already may come for as long as the setting
-- invariants.propagation_seconds says. An operator's resume ends the time earlier. What is read here is written anew from Meta's
-- pages and not taken from the program.
WITH told AS (
    SELECT a.n, a.at, a.endpoint, a.account, a.subject, a.caller, a.code, a.regain_seconds,
           a.endpoint IN ('list_allocations', 'read_allocation', 'share_credit_line', 'share_allocation',
                          'attach_allocation') AS is_credit,
           a.endpoint IN ('exchange_code', 'recover_token', 'debug_token', 'unknown') AS is_of_nobody,
           CASE WHEN a.endpoint IN ('read_phone', 'register_phone', 'deregister_phone', 'sync_app_data', 'send_test_message')
                THEN a.subject END AS phone_number_id,
           -- Our own credentials are refused.
           (a.code = 1 AND a.status = 400 AND a.message LIKE 'Error validating client secret%')
           OR (a.code IN (0, 102, 190) AND a.caller = 'app') AS refuses_app,
           a.code IN (0, 102, 190) AND a.caller = 'system' AS refuses_system
      FROM ledger AS a
     WHERE a.kind = 'answer'
), demanded AS (
    SELECT t.n, t.at, t.code, t.account, t.endpoint,
           CASE WHEN t.refuses_app THEN 'app'
                WHEN t.refuses_system THEN 'system'
                WHEN t.code IN (4, 32, 341) THEN 'app'
                WHEN t.code = 17 AND t.caller = 'system' THEN 'system'
                WHEN t.code IN (17, 613) AND t.is_of_nobody THEN 'app'
                WHEN t.code IN (17, 613) THEN CASE WHEN t.is_credit THEN 'credit' ELSE 'waba:' || t.account END
                WHEN t.code IN (80007, 80008) AND NOT t.is_of_nobody THEN 'waba:' || t.account
                WHEN t.code IN (130429, 133008, 133009, 133016) THEN 'phone:' || t.phone_number_id
                WHEN t.regain_seconds > 0 AND NOT t.is_of_nobody THEN
                    CASE WHEN t.is_credit THEN 'credit' ELSE 'waba:' || t.account END
           END AS scope,
           least(259200, CASE WHEN t.refuses_app OR t.refuses_system THEN 300
                              WHEN t.regain_seconds > 0 THEN t.regain_seconds
                              WHEN t.code IN (4, 17, 32, 341, 80007, 80008) THEN 900
                              WHEN t.code IN (613, 133008) THEN 3600
                              WHEN t.code = 130429 THEN 60
                              WHEN t.code = 133009 THEN 300
                              WHEN t.code = 133016 THEN 259200 END) AS seconds
      FROM told AS t
), heard AS (
    SELECT d.scope, d.at, d.seconds,
           (SELECT min(extract(epoch FROM a.finished_at))::double precision
              FROM embark.signups AS s
              JOIN embark.attempts AS a ON a.signup_id = s.id
             WHERE s.waba_id = d.account
               AND a.finished_at BETWEEN to_timestamp(d.at) AND to_timestamp(d.at + 300)
               AND CASE WHEN d.code IS NULL THEN
                            -- These are not called again by whoever takes over.
                            d.endpoint NOT IN ('share_credit_line', 'share_allocation', 'attach_allocation', 'register_phone',
                                               'sync_app_data', 'send_test_message')
                            AND NOT EXISTS (SELECT FROM ledger AS r
                                             WHERE r.kind = 'request' AND r.account = d.account AND r.endpoint = d.endpoint
                                               AND r.n > d.n AND r.at <= extract(epoch FROM a.finished_at))
                        ELSE split_part(a.error_code, '/', 1) = d.code::text END) AS heard_at
      FROM demanded AS d
     WHERE d.scope IS NOT NULL
), rest AS (
    SELECT h.scope, h.heard_at + current_setting('invariants.propagation_seconds')::double precision AS since,
           least(h.at + h.seconds,
                 (SELECT min(extract(epoch FROM u.at))::double precision
                    FROM embark.audit AS u
                   WHERE u.action = 'resume' AND u.scope = h.scope AND u.at > to_timestamp(h.at))) AS until
      FROM heard AS h
     WHERE h.heard_at IS NOT NULL
), times AS (
    -- Answers within another's time make one time, so that a limit that thousands have met is looked at once.
    SELECT m.scope, lower(r.span)::double precision AS since, upper(r.span)::double precision AS until
      FROM (SELECT t.scope, range_agg(numrange(t.since::numeric, t.until::numeric)) AS spans
              FROM rest AS t WHERE t.since < t.until GROUP BY t.scope) AS m
     CROSS JOIN LATERAL unnest(m.spans) AS r (span)
), early AS (
    SELECT t.scope, t.since, t.until, r.n, r.at, r.method, r.path, r.account
      FROM times AS t
      JOIN ledger AS r ON r.kind = 'request' AND r.at > t.since AND r.at < t.until
     WHERE t.scope = 'app' OR (t.scope = 'system' AND r.caller = 'system')
        OR (t.scope = 'credit' AND r.endpoint IN ('list_allocations', 'read_allocation', 'share_credit_line',
                                                  'share_allocation', 'attach_allocation'))
     UNION ALL
    SELECT t.scope, t.since, t.until, r.n, r.at, r.method, r.path, r.account
      FROM times AS t
      JOIN ledger AS r ON r.account = substr(t.scope, 6) AND r.at > t.since AND r.at < t.until
     WHERE t.scope LIKE 'waba:%' AND r.kind = 'request'
       -- Those of allocations are about a business, and count for the credit line.
       AND r.endpoint NOT IN ('exchange_code', 'recover_token', 'debug_token', 'unknown', 'list_allocations',
                              'read_allocation', 'share_allocation')
     UNION ALL
    SELECT t.scope, t.since, t.until, r.n, r.at, r.method, r.path, r.account
      FROM times AS t
      JOIN ledger AS r ON r.subject = substr(t.scope, 7) AND r.at > t.since AND r.at < t.until
     WHERE t.scope LIKE 'phone:%' AND r.kind = 'request'
       AND r.endpoint IN ('read_phone', 'register_phone', 'deregister_phone', 'sync_app_data', 'send_test_message')
)
SELECT (SELECT min(s.id) FROM embark.signups AS s WHERE s.waba_id = (array_agg(e.account ORDER BY e.n))[1]) AS signup_id,
       format('%s rested until %s, and %s calls came from %s on, the first at %s: %s %s', e.scope, to_timestamp(e.until),
              count(*), to_timestamp(e.since), to_timestamp(min(e.at)), (array_agg(e.method ORDER BY e.n))[1],
              (array_agg(e.path ORDER BY e.n))[1]) AS seen
  FROM early AS e
 WHERE NOT EXISTS (SELECT FROM deaf AS d WHERE e.at BETWEEN d.since AND d.until)
 GROUP BY e.scope, e.since, e.until
