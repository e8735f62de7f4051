-- Where the simulator's ledger is laid beside the database for the checks: for this session alone.
-- COLLATE "C" as the tables have it: an index of another collation would be looked through whole.
CREATE TEMP TABLE ledger (
    n               bigint GENERATED ALWAYS AS IDENTITY, -- the order of the lines
    at              double precision NOT NULL,           -- seconds since 1970
    kind            text NOT NULL,                       -- request, fault, effect, answer
    endpoint        text NOT NULL,
    method          text,
    path            text,
    subject         text COLLATE "C", -- the first part of the path: an account's, a number's or a business's id
    account         text COLLATE "C",
    caller          text,                                -- whose token the call had: business, system, app, nobody
    fault           text,
    effect          text,
    thing           text COLLATE "C", -- what the effect befell: the id of a number, an account or a business
    code_digest     text,                                -- of the code that was exchanged
    override_uri    text,
    allocation_id   text,
    message_id      text COLLATE "C",
    signup_id       bigint,                              -- of a message, by what it carries for its webhooks
    generation      integer,
    status          integer,
    code            integer,
    subcode         integer,
    message         text,
    regain_seconds  double precision
);
-- When a worker could hear nothing: stopped, or without its database.
CREATE TEMP TABLE deaf (since double precision NOT NULL, until double precision NOT NULL);
CREATE TEMP TABLE acknowledged (id bigint NOT NULL);
