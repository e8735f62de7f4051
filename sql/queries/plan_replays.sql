-- What a replay of each of these signups would do, in their order: what it stands on, what the register quota has left, and why
-- it would be refused. It changes and locks nothing.
--   $1 bigint[] signup ids   $2 text from step or NULL   $3 boolean whether there is a new code
--   $4 text another number that is to be set first, or NULL
-- A step counts as skipped as long as it has not been done since.
SELECT s.id, s.external_id, s.state::text, s.generation,
       ARRAY (SELECT coalesce(n.name, '') FROM unnest(s.plan) WITH ORDINALITY AS n (name, place) ORDER BY n.place) AS plan,
       s.failed_step,
       coalesce($2::text, s.failed_step, s.plan[1]) AS first_step, s.error_code, s.allocation_config_id,
       ARRAY (SELECT DISTINCT k.detail ->> 'failed_step'
                FROM embark.audit AS k
               WHERE k.signup_id = s.id AND k.action = 'skip' AND k.detail ->> 'failed_step' IS NOT NULL
                 AND NOT EXISTS (SELECT FROM embark.attempts AS a
                                  WHERE a.signup_id = s.id AND a.step = k.detail ->> 'failed_step' AND a.verdict = 'done'
                                    AND a.finished_at > k.at)) AS skipped,
       CASE WHEN coalesce($4::text, s.phone_number_id) IS NOT NULL THEN
           (SELECT count(*) FROM embark.register_calls AS r
             WHERE r.phone_number_id = coalesce($4::text, s.phone_number_id)
               AND r.called_at > (SELECT clock_timestamp()) - interval '72 hours')::integer END AS register_calls,
       substr(embark.replay_refusal(s.id, $2::text, $3::boolean, $4::text), 7) AS refusal
  FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, place)
  JOIN embark.signups AS s ON s.id = i.id
 ORDER BY i.place
