-- Invariant 3: no call to register a number once it is connected, by however many signups of it. From outside it is known to be
-- connected when a signup's registration was written as done, and, for the only signup of a number, when its status was read
-- after the effect. An answer that says that the number has to be registered again (133010, 131045) takes that back, and so
-- does deregistering it.
WITH call AS (
    SELECT r.n, r.at, r.subject AS phone_number_id, e.n AS effect_n, e.at AS effect_at
      FROM ledger AS r
     CROSS JOIN LATERAL (SELECT f.n, f.at FROM ledger AS f
                          WHERE f.effect = 'register_phone' AND f.thing = r.subject AND f.n < r.n
                          ORDER BY f.n DESC LIMIT 1) AS e
     WHERE r.kind = 'request' AND r.endpoint = 'register_phone'
       AND NOT EXISTS (SELECT FROM ledger AS d WHERE d.effect = 'deregister_phone' AND d.thing = r.subject
                          AND d.n BETWEEN e.n AND r.n)
       AND NOT EXISTS (SELECT FROM ledger AS w WHERE w.kind = 'answer' AND w.subject = r.subject
                          AND w.code IN (133010, 131045) AND w.n BETWEEN e.n AND r.n)
), known AS (
    SELECT c.n, c.at, c.phone_number_id, c.effect_at,
           (SELECT min(s.id) FROM embark.signups AS s WHERE s.phone_number_id = c.phone_number_id) AS signup_id,
           (SELECT min(extract(epoch FROM a.finished_at))
              FROM embark.signups AS s
              JOIN embark.attempts AS a ON a.signup_id = s.id AND a.step = 'register_phone' AND a.verdict = 'done'
             WHERE s.phone_number_id = c.phone_number_id
               AND extract(epoch FROM a.finished_at) BETWEEN c.effect_at - 1 AND c.at - 0.05) AS done_at,
           (SELECT min(q.at)
              FROM ledger AS q
              LEFT JOIN ledger AS f ON f.n = q.n + 1 AND f.kind = 'fault'
             WHERE q.kind = 'request' AND q.endpoint = 'read_phone' AND q.subject = c.phone_number_id
               AND q.n BETWEEN c.effect_n AND c.n AND f.n IS NULL
               AND (SELECT count(*) FROM embark.signups AS s WHERE s.phone_number_id = c.phone_number_id) = 1) AS read_at
      FROM call AS c
)
SELECT k.signup_id,
       format('number %s was called to register at %s, though it is registered since %s and that was %s', k.phone_number_id,
              to_timestamp(k.at), to_timestamp(k.effect_at),
              CASE WHEN k.done_at IS NOT NULL THEN 'written at ' || to_timestamp(k.done_at)
                   ELSE 'read at ' || to_timestamp(k.read_at) END) AS seen
  FROM known AS k
 WHERE k.done_at IS NOT NULL OR k.read_at IS NOT NULL
