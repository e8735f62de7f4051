-- Takes leases on jobs that are due, and returns all that a step needs to know.
--   $1 smallint lane   $2 integer how many   $3 bigint worker id   $4 bigint lease id, one for the whole claim
--   $5 text[] steps    $6 double precision[] their leases in seconds
--   $7 timestamptz the due time from which to look; NULL for the beginning
--   $8 text[] steps that rest; NULL for none: their rows are not touched
--   $9 double precision[] how long each step is tried, in seconds; what was replayed or resolved begins with it
-- The rows are locked by ctid in the order of the index and skipped where another worker holds them. The due time is
-- compared with one evaluation of the clock: a bare clock_timestamp() is volatile and never an index condition.
-- A claim that is lost in a crash is only made again, so its commit waits for no disk: what follows it does.
WITH picked AS MATERIALIZED (
    SELECT c.ctid AS place, c.due_at
      FROM embark.jobs AS c
     WHERE c.lane = $1
       AND c.due_at <= (SELECT clock_timestamp() FROM set_config('synchronous_commit', 'off', true))
       AND c.due_at >= coalesce($7::timestamptz, '-infinity')
       AND ($8::text[] IS NULL OR c.step <> ALL ($8::text[]))
     ORDER BY c.due_at
     LIMIT $2::integer
       FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE embark.jobs AS j
       SET due_at = clock_timestamp()
                    + coalesce((SELECT l.seconds FROM unnest($5::text[], $6::double precision[]) AS l (step, seconds)
                                 WHERE l.step = j.step), 60) * interval '1 second',
           lease_id = $4,
           worker_id = $3,
           attempt = least(j.attempt, 2147483646) + 1,
           -- To wait for a worker, for a lease that nobody settles, or for a pause to end is not to be tried: the horizon moves on
           -- by as much. A code's does not.
           give_up_at = CASE
               WHEN j.step = 'exchange_code' THEN j.give_up_at
               WHEN j.give_up_at IS NULL THEN
                   clock_timestamp() + (SELECT h.seconds FROM unnest($5::text[], $9::double precision[]) AS h (step, seconds)
                                         WHERE h.step = j.step) * interval '1 second'
               -- Times at the ends of what there is cannot be added to: no version of Embark writes them, and they must not stop
               -- a whole claim.
               WHEN isfinite(j.due_at) THEN least(j.give_up_at, timestamptz '9999-12-31 00:00Z')
                                            + (clock_timestamp() - greatest(j.due_at, timestamptz '2000-01-01 00:00Z'))
               ELSE j.give_up_at END,
           -- A row that still names a worker was never given back: that worker was interrupted.
           interrupted = least(j.interrupted + CASE WHEN j.worker_id IS NULL THEN 0 ELSE 1 END, 32767)
     WHERE j.ctid = ANY (ARRAY (SELECT p.place FROM picked AS p))
    RETURNING j.signup_id, j.step, j.attempt, j.sent, j.give_up_at, j.due_at, j.interrupted
)
SELECT c.signup_id, c.step, c.attempt, c.sent, c.interrupted::integer,
       (SELECT max(p.due_at) FROM picked AS p) AS claimed_to,
       -- Nor can what is infinite be subtracted from.
       CASE WHEN isfinite(c.give_up_at) THEN extract(epoch FROM c.give_up_at - clock_timestamp()) END::double precision
           AS seconds_until_give_up,
       extract(epoch FROM c.due_at - clock_timestamp())::double precision AS lease_seconds,
       s.generation, s.flow::text, s.plan, s.waba_id, s.phone_number_id, s.business_id, s.currency,
       s.redirect_uri, s.data_localization_region, s.override_callback_uri, s.test_recipient, s.test_message,
       s.allocation_config_id, s.test_message_id,
       CASE WHEN isfinite(s.code_issued_at) THEN extract(epoch FROM s.code_issued_at - clock_timestamp()) + 30
       END::double precision AS code_seconds_left,
       x.signup_id IS NOT NULL AS has_secrets, x.code, x.pin, x.sealed_pin, x.sealed_token, x.verify_token
  FROM claimed AS c
  LEFT JOIN embark.signups AS s ON s.id = c.signup_id
  LEFT JOIN embark.secrets AS x ON x.signup_id = c.signup_id
