-- Who wants no messages; and what bulk requests are listed and counted by.

CREATE TABLE opt_outs (
    id      uuid   NOT NULL,
    tenant  uuid   NOT NULL,
    -- A number with its plus sign, or a chat id.
    address text   NOT NULL,
    since   bigint NOT NULL,
    -- Who said so, and by a word of which list.
    source  text   NOT NULL,
    words   text,
    -- The message that said so.
    message uuid,
    note    text,
    PRIMARY KEY (tenant, address)
);

-- A tenant's list, newest first.
CREATE UNIQUE INDEX opt_outs_of_tenant ON opt_outs (tenant, id);

ALTER TABLE opt_outs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON opt_outs USING (tenant = (SELECT this_tenant()));

-- What is held back of what waits for one recipient. (What is not: messages_waiting.)
CREATE INDEX messages_held_to ON messages (recipient_key) WHERE held_by_batch;

-- A tenant's bulk requests, newest first.
CREATE INDEX batches_of_tenant ON batches (tenant, id);

-- Why messages of a bulk request failed.
CREATE INDEX messages_failed_of_batch ON messages (batch, failure_code)
WHERE batch IS NOT NULL AND status = 'failed';
