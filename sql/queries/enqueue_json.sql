-- One signup as a JSON object whose keys are the fields of embark.enqueue_signup; the id, or why it is none.
--   $1 jsonb
-- An unknown key is refused rather than dropped: a misspelt pin would be lost without a word. So is a value that is not
-- a string where a string belongs: 0123456 as a number has lost its zero before it comes here.
WITH given AS (
    SELECT e.key, jsonb_typeof(e.value) AS type
      FROM jsonb_each(CASE WHEN jsonb_typeof($1) = 'object' THEN $1 ELSE '{}' END) AS e
), problem AS (
    SELECT CASE WHEN jsonb_typeof($1) <> 'object' THEN 'it is not a JSON object' ELSE (
        SELECT min(CASE
            WHEN g.key IN ('webhook_override', 'metadata') THEN NULL
            WHEN g.key NOT IN ('code', 'waba_id', 'phone_number_id', 'business_id', 'currency', 'external_id', 'flow',
                               'pin', 'test_recipient', 'test_message', 'code_issued_at', 'redirect_uri',
                               'data_localization_region') THEN
                'it has an unknown field; the fields are those of embark.enqueue_signup'
            WHEN g.type NOT IN ('string', 'null') THEN g.key || ' must be a JSON string'
            END)
          FROM given AS g) END AS text
), entered AS (
    INSERT INTO embark.signup_inbox
        (code, waba_id, phone_number_id, business_id, currency, external_id, flow, pin, test_recipient, test_message,
         code_issued_at, redirect_uri, data_localization_region, webhook_override, metadata)
    SELECT $1 ->> 'code', $1 ->> 'waba_id', $1 ->> 'phone_number_id', $1 ->> 'business_id', $1 ->> 'currency',
           $1 ->> 'external_id', $1 ->> 'flow', $1 ->> 'pin', $1 ->> 'test_recipient', $1 ->> 'test_message',
           $1 ->> 'code_issued_at', $1 ->> 'redirect_uri', $1 ->> 'data_localization_region',
           $1 ->> 'webhook_override', $1 ->> 'metadata'
      FROM problem
     WHERE problem.text IS NULL
    RETURNING id
)
SELECT (SELECT e.id FROM entered AS e) AS id, problem.text AS problem FROM problem
