-- What is on record about sharing a credit line with an account: whose share it is, how often it was posted and attached, and
-- when last; and whether that signup has ended for good.
--   $1 text account id
SELECT h.signup_id, h.posts, h.attachments,
       extract(epoch FROM clock_timestamp()
                          - greatest(least(h.sent_at, clock_timestamp()), timestamptz '2000-01-01 00:00Z')
       )::double precision AS age_seconds,
       EXISTS (SELECT FROM embark.signups AS o WHERE o.id = h.signup_id AND o.state IN ('completed', 'cancelled')) AS has_ended
  FROM embark.credit_shares AS h
 WHERE h.waba_id = $1
