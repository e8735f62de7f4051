-- One signup, through the inbox: it casts what it is given, so that no value stands in an error of PostgreSQL's own.
--   $1 code … $15 metadata: text, in the order of embark.enqueue_signup
INSERT INTO embark.signup_inbox
    (code, waba_id, phone_number_id, business_id, currency, external_id, flow, pin, test_recipient, test_message,
     code_issued_at, redirect_uri, data_localization_region, webhook_override, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
RETURNING id
