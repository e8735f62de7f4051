-- The post provably never left: it does not count.
--   $1 bigint signup id   $2 text account id
UPDATE embark.credit_shares AS h SET posts = h.posts - 1 WHERE h.waba_id = $2 AND h.signup_id = $1 AND h.posts > 0
