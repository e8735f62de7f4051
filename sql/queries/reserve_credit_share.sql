-- The sent mark of a credit share: one share an account at a time. Returns whose share it is; no row: the lease is lost.
--   $1 bigint signup id   $2 bigint lease id   $3 text account id   $4 boolean whether it attaches what was shared before
-- The row of another signup is locked and left as it is: its posts are not ours to count. One whose posts all came to nothing
-- is taken over.
WITH lease AS (
    UPDATE embark.jobs AS j
       SET sent = true
     WHERE j.signup_id = $1 AND j.lease_id = $2 AND j.due_at > clock_timestamp()
    RETURNING j.signup_id
)
INSERT INTO embark.credit_shares AS h (waba_id, signup_id, posts, attachments)
SELECT $3, l.signup_id, CASE WHEN $4::boolean THEN 0 ELSE 1 END, CASE WHEN $4::boolean THEN 1 ELSE 0 END FROM lease AS l
    ON CONFLICT (waba_id) DO UPDATE
   SET signup_id = CASE WHEN h.posts + h.attachments = 0 AND h.allocation_config_id IS NULL THEN excluded.signup_id
                        ELSE h.signup_id END,
       posts = h.posts + CASE WHEN h.signup_id = excluded.signup_id
                                OR (h.posts + h.attachments = 0 AND h.allocation_config_id IS NULL)
                              THEN excluded.posts ELSE 0 END,
       attachments = h.attachments + CASE WHEN h.signup_id = excluded.signup_id
                                            OR (h.posts + h.attachments = 0 AND h.allocation_config_id IS NULL)
                                          THEN excluded.attachments ELSE 0 END,
       sent_at = CASE WHEN h.signup_id = excluded.signup_id
                        OR (h.posts + h.attachments = 0 AND h.allocation_config_id IS NULL)
                      THEN clock_timestamp() ELSE h.sent_at END
RETURNING h.signup_id
