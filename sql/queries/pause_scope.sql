-- Lets a scope rest, for all processes, and tells them. A longer pause stays. A limit that is hit again within a quarter of
-- an hour of a pause for which Graph had named no time rests twice as long, an hour at most.
--   $1 text scope   $2 double precision seconds   $3 boolean whether they are to be taken as they are
--   $4 text reason   $5 boolean whether our own credentials were refused
WITH paused AS (
    INSERT INTO embark.throttles AS t (scope, until, reason, credentials, named)
    VALUES ($1, clock_timestamp() + $2 * interval '1 second', $4, $5, $3)
        ON CONFLICT (scope) DO UPDATE
       SET until = greatest(
               t.until,
               clock_timestamp() + CASE
                   WHEN $3 OR t.named OR t.until > clock_timestamp() OR t.until < clock_timestamp() - interval '15 minutes'
                        OR NOT isfinite(t.set_at)
                       THEN $2 * interval '1 second'
                   ELSE greatest(least(2 * (t.until - t.set_at), interval '1 hour'), $2 * interval '1 second') END),
           set_at = CASE WHEN t.until < clock_timestamp() THEN clock_timestamp() ELSE t.set_at END,
           -- Who made the pause longest has the word; that our credentials were refused stays known as long as it lasts.
           reason = CASE WHEN t.until > clock_timestamp() + $2 * interval '1 second' THEN t.reason ELSE excluded.reason END,
           named = CASE WHEN t.until > clock_timestamp() + $2 * interval '1 second' THEN t.named ELSE excluded.named END,
           credentials = excluded.credentials OR (t.credentials AND t.until > clock_timestamp())
    RETURNING t.scope, t.until
)
SELECT extract(epoch FROM least(p.until, clock_timestamp() + interval '10 years') - clock_timestamp())::double precision AS seconds
  FROM paused AS p, pg_notify('embark_throttles', $1)
