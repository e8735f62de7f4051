-- What the checks ask the ledger for.
CREATE INDEX ledger_n ON ledger (n);
CREATE INDEX ledger_requests ON ledger (at) WHERE kind = 'request';
CREATE INDEX ledger_account ON ledger (account, at);
CREATE INDEX ledger_subject ON ledger (subject, at);
CREATE INDEX ledger_effects ON ledger (effect, thing, n) WHERE effect IS NOT NULL;
CREATE INDEX ledger_messages ON ledger (signup_id) WHERE signup_id IS NOT NULL;
CREATE INDEX ledger_answers ON ledger (n) WHERE kind = 'answer';
ANALYZE ledger;
ANALYZE acknowledged;
ANALYZE embark.signups, embark.jobs, embark.attempts, embark.outcomes, embark.secrets, embark.audit, embark.register_calls,
        embark.credit_shares;
