-- What is on record about sharing a credit line with an account: whose share it is, how often it was posted and attached, and
-- when last.
--   $1 text account id
SELECT h.signup_id, h.posts, h.attachments, extract(epoch FROM clock_timestamp() - h.sent_at)::double precision AS age_seconds
  FROM embark.credit_shares AS h
 WHERE h.waba_id = $1
