-- Invariant 7: the database itself refuses to change or delete history, whoever asks. A trigger of the statement's fires where no
-- row is changed, too. Retention may delete attempts, and outcomes get their number.
SELECT NULL::bigint AS signup_id, format('%s could be done', c.statement) AS seen
  FROM (VALUES ('UPDATE embark.attempts SET verdict = verdict WHERE false'),
               ('UPDATE embark.audit SET reason = reason WHERE false'),
               ('DELETE FROM embark.audit WHERE false'),
               ('UPDATE embark.outcomes SET type = type WHERE false'),
               ('UPDATE embark.outcomes SET error_code = error_code WHERE false'),
               ('DELETE FROM embark.outcomes WHERE false')) AS c (statement)
 WHERE NOT pg_temp.is_refused(c.statement)
 UNION ALL
SELECT NULL, format('nothing keeps embark.%s from being emptied', t.name)
  FROM (VALUES ('attempts'), ('audit'), ('outcomes')) AS t (name)
 -- 32 is TRUNCATE in tgtype.
 WHERE NOT EXISTS (SELECT FROM pg_trigger AS g
                    WHERE g.tgrelid = ('embark.' || t.name)::regclass AND g.tgenabled IN ('O', 'A')
                      AND g.tgtype & 32 <> 0 AND g.tgfoid = 'embark.refuse_change'::regproc)
