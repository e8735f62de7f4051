-- Deletes pauses that ended an hour ago and more: only one that ended a quarter of an hour ago still counts. Returns how many.
--   $1 integer how many at most
WITH deleted AS (
    DELETE FROM embark.throttles AS t
     WHERE t.scope = ANY (ARRAY (
           SELECT o.scope FROM embark.throttles AS o
            WHERE o.until < clock_timestamp() - interval '1 hour'
            ORDER BY o.until
            LIMIT $1::integer
              FOR UPDATE SKIP LOCKED))
    RETURNING t.scope
)
SELECT count(*)::integer AS deleted FROM deleted
