-- Webhooks received.

CREATE TABLE inbox (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant      BLOB    NOT NULL CHECK (length(tenant) = 16),
    session     BLOB    NOT NULL CHECK (length(session) = 16),
    event       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    status      TEXT    NOT NULL
        CHECK (status = 'pending' OR status = 'applied' OR status = 'unmatched' OR status = 'dead'),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    due_at      INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    -- The body as it was signed. Last, as the long ones are.
    payload     BLOB    NOT NULL
) STRICT;

-- What is to be applied, in the order it came in; `due_at` is in it so that what is not due yet
-- is passed over without looking at its row.
CREATE INDEX inbox_pending ON inbox (id, due_at) WHERE status = 'pending';

-- When the next one is due.
CREATE INDEX inbox_due ON inbox (due_at) WHERE status = 'pending';

-- How many somebody must look at.
CREATE INDEX inbox_dead ON inbox (id) WHERE status = 'dead';

-- What tells a repeat. A table of its own, so that bodies can be thrown away sooner than the
-- memory of having had them.
CREATE TABLE inbox_keys (
    session     BLOB    NOT NULL,
    event       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (session, event, key)
) STRICT, WITHOUT ROWID;

-- The row that is written to learn whether the file can be written.
CREATE TABLE pulse (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    beat INTEGER NOT NULL
) STRICT;
INSERT INTO pulse (only, beat) VALUES (1, 0);
