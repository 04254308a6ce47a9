-- Webhooks received.

CREATE TABLE inbox (
    id          uuid    NOT NULL PRIMARY KEY,
    tenant      uuid    NOT NULL,
    session     uuid    NOT NULL,
    event       text    NOT NULL,
    key         text    NOT NULL,
    status      text    NOT NULL,
    attempts    integer NOT NULL,
    due_at      bigint  NOT NULL,
    received_at bigint  NOT NULL,
    -- The body as it was signed.
    payload     bytea   NOT NULL
)
PARTITION BY RANGE (id);

-- What is to be applied, in the order it came in.
CREATE INDEX inbox_pending ON inbox (id) INCLUDE (due_at) WHERE status = 'pending';

-- When the next one is due.
CREATE INDEX inbox_due ON inbox (due_at) WHERE status = 'pending';

-- How many somebody must look at.
CREATE INDEX inbox_dead ON inbox (id) WHERE status = 'dead';

-- What tells a repeat. A table of its own, so that bodies can be thrown away sooner than the
-- memory of having had them.
CREATE TABLE inbox_keys (
    session     uuid   NOT NULL,
    event       text   NOT NULL,
    key         text   NOT NULL,
    received_at bigint NOT NULL,
    PRIMARY KEY (session, event, key)
);

-- The row that is written to learn whether anything can be.
CREATE TABLE pulse (
    only_one boolean NOT NULL PRIMARY KEY CHECK (only_one),
    beat     bigint  NOT NULL
);
INSERT INTO pulse VALUES (true, 0);
