-- Runs in the transaction of the migration itself.
--   $1 integer version   $2 text name   $3 text the file's content
INSERT INTO embark.schema_migrations (version, name, sha256)
VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))
