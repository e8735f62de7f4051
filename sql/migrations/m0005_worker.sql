-- What the workers need besides: how often a share was posted, until when a token lives, which worker sleeps.

-- A post that was provably not sent is taken back, so the count is of calls that may have left.
ALTER TABLE embark.credit_shares
    ADD COLUMN posts integer NOT NULL DEFAULT 0,
    -- Where the line is shared by one call and attached by another, they count apart.
    ADD COLUMN attachments integer NOT NULL DEFAULT 0;

-- NULL: the token has no end, or none was named.
ALTER TABLE embark.signups
    ADD COLUMN token_expires_at timestamptz;
