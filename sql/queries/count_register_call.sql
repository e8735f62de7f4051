-- Counts a call to register before it leaves, behind lock_phone: however many signups of a number there are, they share one
-- quota, and one registers at a time. Returns the calls of the last 72 hours without this one, whether this one was
-- counted, and the signup that has to end first. No row: the lease is lost.
--   $1 bigint signup id   $2 bigint lease id   $3 text number id   $4 integer automatic calls there may be
--   $5 integer calls there may be with those of operators' replays   $6 double precision seconds of a lease
WITH job AS (
    -- When this execution began, or a little earlier: a step that was leased with the one before it may have been given 15
    -- seconds more than its lease, and began when that one was settled.
    SELECT j.signup_id, j.by_operator,
           greatest(j.due_at - ($6::double precision + 15) * interval '1 second',
                    (SELECT max(o.finished_at) FROM embark.attempts AS o WHERE o.signup_id = j.signup_id)) AS claimed_at
      FROM embark.jobs AS j
     WHERE j.signup_id = $1 AND j.lease_id = $2 AND j.due_at > clock_timestamp()
       FOR UPDATE
), used AS (
    SELECT count(*)::integer AS calls, (count(*) FILTER (WHERE r.automatic))::integer AS automatic_calls
      FROM embark.register_calls AS r
     WHERE r.phone_number_id = $3 AND r.called_at > clock_timestamp() - interval '72 hours'
), elsewhere AS (
    -- A call that may be on its way, or that ended after this job was claimed: the status that this job has read may be
    -- from before it, and a number that is connected must not be registered again.
    SELECT r.signup_id
      FROM embark.register_calls AS r, job
     WHERE r.phone_number_id = $3 AND r.signup_id <> job.signup_id
       AND r.called_at > clock_timestamp() - interval '1 hour'
       AND (EXISTS (SELECT FROM embark.jobs AS o
                     WHERE o.signup_id = r.signup_id AND o.step IN ('register_phone', 'send_test_message') AND o.sent
                       AND o.lease_id IS NOT NULL AND o.due_at > clock_timestamp())
            OR EXISTS (SELECT FROM embark.attempts AS a
                        WHERE a.signup_id = r.signup_id AND a.step IN ('register_phone', 'send_test_message')
                          AND a.finished_at > job.claimed_at)
            -- One that was cancelled has no job any more: its call is on its way until its result is recorded, late, or for
            -- as long as a lease.
            OR (r.called_at > clock_timestamp() - $6::double precision * interval '1 second'
                AND EXISTS (SELECT FROM embark.signups AS c WHERE c.id = r.signup_id AND c.state = 'cancelled')
                AND NOT EXISTS (SELECT FROM embark.attempts AS a
                                 WHERE a.signup_id = r.signup_id AND a.finished_at > r.called_at)))
     ORDER BY r.called_at DESC
     LIMIT 1
), counted AS (
    INSERT INTO embark.register_calls (phone_number_id, signup_id, automatic)
    SELECT $3, job.signup_id, NOT job.by_operator
      FROM job, used
     WHERE used.calls < $5::integer AND (job.by_operator OR used.automatic_calls < $4::integer)
       AND NOT EXISTS (SELECT FROM elsewhere)
    RETURNING signup_id
), marked AS (
    -- An operator's replay is one call; what is tried again after it is Embark's own doing.
    UPDATE embark.jobs AS j SET sent = true, by_operator = false FROM counted WHERE j.signup_id = counted.signup_id
    RETURNING j.signup_id
)
SELECT used.calls, EXISTS (SELECT FROM marked) AS is_counted, (SELECT e.signup_id FROM elsewhere AS e) AS elsewhere
  FROM job, used
