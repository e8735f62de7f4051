-- Everything that is on record about a signup, a line each, in the order of time; no secret.
--   $1 bigint signup id   $2 integer how many lines at most
WITH signup AS (
    SELECT s.id, s.waba_id, s.phone_number_id, s.business_id, s.created_at,
           format('signup %s: %s', s.id, jsonb_strip_nulls(to_jsonb(s) - '{id,metadata}'::text[])) AS line
      FROM embark.signups AS s WHERE s.id = $1
), mine AS MATERIALIZED (
    SELECT l.n FROM signup AS s JOIN ledger AS l ON l.account = s.waba_id
     UNION
    SELECT l.n FROM signup AS s JOIN ledger AS l ON l.subject = s.phone_number_id
     UNION
    SELECT l.n FROM signup AS s JOIN ledger AS l ON l.thing IN (s.waba_id, s.phone_number_id, s.business_id)
     WHERE l.effect IS NOT NULL
     UNION
    SELECT l.n FROM ledger AS l WHERE l.signup_id = $1
), line AS (
    SELECT '-infinity'::timestamptz AS at, s.line FROM signup AS s
     UNION ALL
    SELECT '-infinity', format('job: %s', to_jsonb(j) - 'signup_id') FROM embark.jobs AS j WHERE j.signup_id = $1
     UNION ALL
    SELECT '-infinity', format('secrets: code %s, PIN %s, sealed PIN %s, sealed token %s',
                               x.code IS NOT NULL, x.pin IS NOT NULL, x.sealed_pin IS NOT NULL, x.sealed_token IS NOT NULL)
      FROM embark.secrets AS x WHERE x.signup_id = $1
     UNION ALL
    SELECT '-infinity', format('credit share: %s', to_jsonb(h))
      FROM embark.credit_shares AS h, signup AS s WHERE h.waba_id = s.waba_id
     UNION ALL
    SELECT c.called_at, format('register call counted for %s by signup %s%s', c.phone_number_id, c.signup_id,
                               CASE WHEN c.automatic THEN '' ELSE ', an operator''s' END)
      FROM embark.register_calls AS c, signup AS s WHERE c.phone_number_id = s.phone_number_id OR c.signup_id = $1
     UNION ALL
    SELECT a.finished_at,
           format('attempt %s of %s, generation %s: %s, begun %s, worker %s, lease %s%s', a.attempt, a.step, a.generation,
                  a.verdict, a.started_at, coalesce(a.worker_id::text, 'none'), coalesce(a.lease_id::text, 'none'),
                  CASE WHEN a.error_code IS NULL THEN ''
                       ELSE format(', %s %s, HTTP %s', a.error_code, a.error_message, coalesce(a.http_status::text, 'none')) END)
      FROM embark.attempts AS a WHERE a.signup_id = $1
     UNION ALL
    SELECT o.at, format('outcome %s: %s, generation %s%s', coalesce(o.seq::text, 'without a number'), o.type, o.generation,
                        coalesce(', ' || o.error_code, ''))
      FROM embark.outcomes AS o WHERE o.signup_id = $1
     UNION ALL
    SELECT u.at, format('audit: %s by %s %s', u.action, u.actor, u.detail) FROM embark.audit AS u WHERE u.signup_id = $1
     UNION ALL
    SELECT to_timestamp(l.at),
           concat_ws(' ', 'graph ' || l.n, l.kind, l.endpoint, l.caller, l.method, l.path, l.fault, l.effect, l.thing,
                     l.override_uri, l.allocation_id, l.message_id, l.status, l.code, l.subcode,
                     CASE WHEN l.regain_seconds > 0 THEN 'regain in ' || l.regain_seconds || ' s' END)
      FROM ledger AS l
      -- A fault is the next line behind its request.
     WHERE l.n = ANY (ARRAY (SELECT m.n FROM mine AS m UNION SELECT m.n + 1 FROM mine AS m))
       AND (l.kind = 'fault' OR l.n IN (SELECT m.n FROM mine AS m))
)
SELECT CASE WHEN isfinite(l.at) THEN to_char(l.at AT TIME ZONE 'UTC', 'HH24:MI:SS.US') || ' ' ELSE '' END || l.line
  FROM line AS l
 ORDER BY l.at, l.line
 LIMIT $2::integer
