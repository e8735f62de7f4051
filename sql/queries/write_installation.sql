-- Writes the whole installation row and leaves a row in the audit.
--   $1 text partner_mode   $2 text app_id   $3 text credit_line_id   $4 text system_user_id   $5 text business_id
--   $6 text[] currencies   $7 text credit_method   $8 boolean verify_grant
WITH written AS (
    INSERT INTO embark.installation AS i
        (partner_mode, app_id, credit_line_id, system_user_id, business_id, currencies, credit_method, verify_grant)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (singleton) DO UPDATE
       SET partner_mode = excluded.partner_mode, app_id = excluded.app_id, credit_line_id = excluded.credit_line_id,
           system_user_id = excluded.system_user_id, business_id = excluded.business_id,
           currencies = excluded.currencies, credit_method = excluded.credit_method,
           verify_grant = excluded.verify_grant, updated_at = clock_timestamp()
    RETURNING i.*
)
INSERT INTO embark.audit (actor, action, reason, detail)
SELECT session_user, 'configure', 'embark configure', to_jsonb(written) - 'singleton' - 'updated_at'
  FROM written
