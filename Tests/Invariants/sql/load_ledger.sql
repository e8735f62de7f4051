-- Takes lines of the ledger in, in order. Codes are kept as digests: what is printed later must not show them.
--   $1 text[] JSON objects
INSERT INTO ledger (at, kind, endpoint, method, path, subject, account, caller, fault, effect, thing, code_digest, override_uri,
                    allocation_id, message_id, signup_id, generation, status, code, subcode, message, regain_seconds)
SELECT x.at, x.kind, x.endpoint, x.method, x.path, split_part(x.path, '/', 1), x.account, x.caller, x.fault, x.effect,
       coalesce(x.phone_number_id, x.waba_id, x.business_id, x.allocation_config_id),
       CASE WHEN x.kind = 'effect' THEN md5(x.code) END, x.override_callback_uri, x.allocation_config_id, x.message_id,
       substring(x.callback_data FROM '^embark:([0-9]{1,18}):')::bigint,
       substring(x.callback_data FROM '^embark:[0-9]+:([0-9]{1,9})$')::integer,
       x.status, CASE WHEN x.kind = 'answer' THEN x.code::integer END, x.subcode, x.message, x.regain_seconds
  FROM unnest($1::text[]) WITH ORDINALITY AS l (line, place)
 CROSS JOIN LATERAL jsonb_to_record(replace(l.line, '\u0000', '')::jsonb)
       AS x (at double precision, kind text, endpoint text, method text, path text, account text, caller text, fault text,
             effect text, phone_number_id text, waba_id text, business_id text, allocation_config_id text, code text,
             override_callback_uri text, message_id text, callback_data text, status integer, subcode integer, message text,
             regain_seconds double precision)
 ORDER BY l.place
