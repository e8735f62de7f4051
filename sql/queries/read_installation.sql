-- At most one row.
SELECT partner_mode, app_id, credit_line_id, system_user_id, business_id, currencies, credit_method, verify_grant, updated_at
  FROM embark.installation
