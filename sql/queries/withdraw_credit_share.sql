-- The post provably never left, or was refused: it does not count.
--   $1 bigint signup id   $2 text account id   $3 boolean whether it was to attach
UPDATE embark.credit_shares AS h
   SET posts = greatest(0, h.posts - CASE WHEN $3::boolean THEN 0 ELSE 1 END),
       attachments = greatest(0, h.attachments - CASE WHEN $3::boolean THEN 1 ELSE 0 END)
 WHERE h.waba_id = $2 AND h.signup_id = $1
