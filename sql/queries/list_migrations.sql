-- What has been applied.
SELECT version, name, sha256 FROM embark.schema_migrations ORDER BY version
