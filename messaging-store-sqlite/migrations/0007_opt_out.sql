-- Who wants no messages; and what bulk requests are listed and counted by.

CREATE TABLE opt_outs (
    id      BLOB    NOT NULL CHECK (length(id) = 16),
    tenant  BLOB    NOT NULL CHECK (length(tenant) = 16),
    -- A number with its plus sign, or a chat id.
    address TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    -- Who said so, and by a word of which list.
    source  TEXT    NOT NULL,
    words   TEXT,
    -- The message that said so.
    message BLOB,
    note    TEXT,
    PRIMARY KEY (tenant, address)
) STRICT, WITHOUT ROWID;

-- A tenant's list, newest first.
CREATE UNIQUE INDEX opt_outs_of_tenant ON opt_outs (tenant, id);

-- What is held back of what waits for one recipient. (What is not: messages_waiting.)
CREATE INDEX messages_held_to ON messages (session, recipient) WHERE held_by_batch = 1;

-- A tenant's bulk requests, newest first.
CREATE INDEX batches_of_tenant ON batches (tenant, id);

-- Why messages of a bulk request failed.
CREATE INDEX messages_failed_of_batch ON messages (batch, failure_code)
WHERE batch IS NOT NULL AND status = 'failed';
