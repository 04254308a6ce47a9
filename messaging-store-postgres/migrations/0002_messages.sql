-- Messages, their history, and bulk requests.

-- Tables that grow for ever are partitioned by the time in their ids, or by an instant: a month
-- each, made ahead by upkeep(). What belongs to no month that was made goes to the default one.
--
-- What changes about a message: narrow rows, written some four times each.
CREATE TABLE messages (
    -- Drawn in order of time, so a new message goes to the end of every index that ends in it.
    id                  uuid    NOT NULL PRIMARY KEY,
    tenant              uuid    NOT NULL,
    -- No foreign key: messages outlive their session.
    session             uuid    NOT NULL,
    -- The bulk request it belongs to.
    batch               uuid,
    direction           text    NOT NULL,
    -- Stands for the session and the recipient, in the order to one recipient; a hash.
    recipient_key       bigint,
    priority            text    NOT NULL,
    kind                text    NOT NULL,
    -- The text under "campaignId" in the metadata, taken out when the row is written.
    campaign            text,
    status              text    NOT NULL,
    -- Attempts that count, and attempts begun: the fence between one attempt and the next.
    attempts            integer NOT NULL,
    generation          integer NOT NULL,
    -- Waits for its bulk request to let it into the queue.
    held_by_batch       boolean NOT NULL,
    due_at              bigint  NOT NULL,
    -- Why it failed or is tried again: a stable code, and a sentence for people.
    failure_code        text,
    failure_detail      text,
    provider_message_id text,
    created_at          bigint  NOT NULL,
    updated_at          bigint  NOT NULL,
    sent_at             bigint,
    delivered_at        bigint,
    read_at             bigint,
    failed_at           bigint,
    -- How many lines its history has. None says that nothing has happened to it yet: its row says
    -- by itself how it came into being.
    lines               integer NOT NULL DEFAULT 0
)
PARTITION BY RANGE (id);

-- What of a message a search looks at. The letters of ASCII are alike in both cases, others are
-- not, whatever the database's language.
CREATE FUNCTION searchable(sender text, recipient text, body text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(lower(sender COLLATE "C"), '') || chr(1)
    || coalesce(lower(recipient COLLATE "C"), '') || chr(1) || lower(body COLLATE "C");

-- What never changes about a message, apart, so that a change of status writes little and leaves
-- the index of texts alone.
CREATE TABLE message_contents (
    message    uuid NOT NULL PRIMARY KEY,
    tenant     uuid NOT NULL,
    -- Numbers with their plus sign, or chat ids ("from" and "to" are words of SQL).
    sender     text,
    recipient  text,
    body       text NOT NULL,
    -- JSON as it was given.
    metadata   text,
    attachment text,
    -- As much of what a search looks at as an index takes (its rows hold 2704 bytes).
    beginning  text NOT NULL
        GENERATED ALWAYS AS (left(searchable(sender, recipient, body), 600)) STORED,
    is_long    boolean NOT NULL
        GENERATED ALWAYS AS (length(searchable(sender, recipient, body)) > 600) STORED
)
PARTITION BY RANGE (message);

-- A search goes through a tenant's texts as they stand here one behind the other, newest first, and
-- need not look at the table.
CREATE INDEX message_texts ON message_contents (tenant, message) INCLUDE (beginning);

-- And through the few that do not fit.
CREATE INDEX long_message_texts ON message_contents (tenant, message) WHERE is_long;

-- A tenant's list, newest first.
CREATE INDEX messages_of_tenant ON messages (tenant, id);

-- What is counted over a range of time.
CREATE INDEX messages_by_time ON messages (tenant, created_at)
INCLUDE (session, direction, kind, status, sent_at);

CREATE INDEX messages_of_session ON messages (tenant, session, id);

CREATE INDEX messages_in_status ON messages (tenant, status, id);

-- A campaign's list.
CREATE INDEX messages_of_campaign ON messages (tenant, campaign, id) WHERE campaign IS NOT NULL;

-- What a queue ought to know, in order of acceptance. Only as large as what waits.
CREATE INDEX messages_pending ON messages (id)
WHERE direction = 'outbound' AND NOT held_by_batch AND status IN ('queued', 'retry', 'sending');

-- The same, recipient by recipient.
CREATE INDEX messages_waiting ON messages (recipient_key, priority, id)
WHERE direction = 'outbound' AND NOT held_by_batch AND status IN ('queued', 'retry', 'sending');

-- Attempts under way through a session.
CREATE INDEX messages_sending ON messages (session) WHERE status = 'sending';

-- How far a bulk request has come, and its list.
CREATE INDEX messages_of_batch ON messages (batch, id) INCLUDE (status) WHERE batch IS NOT NULL;

-- What bulk requests hold back, in the order in which it is let in.
CREATE INDEX messages_held ON messages (batch, id) WHERE held_by_batch;

-- Messages by their ids at the provider. What came in is kept once, however often the provider
-- tells of it; of what went out an id may, should the provider repeat itself, name several.
CREATE TABLE provider_ids (
    session             uuid    NOT NULL,
    provider_message_id text    NOT NULL,
    message             uuid    NOT NULL,
    inbound             boolean NOT NULL,
    PRIMARY KEY (session, provider_message_id, message)
);
CREATE UNIQUE INDEX received_once ON provider_ids (session, provider_message_id) WHERE inbound;

-- The history: one row for each thing that happened, numbered from 1 within its message.
CREATE TABLE message_events (
    message        uuid    NOT NULL,
    number         integer NOT NULL,
    at             bigint  NOT NULL,
    -- NULL for the message's coming into being.
    event          text,
    -- As they were afterwards.
    status         text    NOT NULL,
    attempts       integer NOT NULL,
    failure_code   text,
    failure_detail text,
    PRIMARY KEY (message, number)
)
PARTITION BY RANGE (message);

-- When attempts through a session ended: what a limiter that lost its state counts from.
CREATE TABLE attempts (
    session uuid   NOT NULL,
    at      bigint NOT NULL
)
PARTITION BY RANGE (at);
CREATE INDEX attempts_of_session ON attempts (session, at);

-- How many messages of a tenant there are of each sort, hour by hour of their creation.
CREATE TABLE message_counts (
    tenant    uuid   NOT NULL,
    -- The hour's first microsecond.
    hour      bigint NOT NULL,
    session   uuid   NOT NULL,
    direction text   NOT NULL,
    kind      text   NOT NULL,
    status    text   NOT NULL,
    messages  bigint NOT NULL,
    PRIMARY KEY (tenant, hour, session, direction, kind, status)
)
WITH (fillfactor = 70);

-- What came to these counts, or went from them, since they were last brought up to date: written
-- in the transaction that changes the messages. Counting adds both up. Nobody waits for a row that
-- another is changing, as all would for the counts themselves.
CREATE TABLE message_count_changes (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant    uuid   NOT NULL,
    hour      bigint NOT NULL,
    session   uuid   NOT NULL,
    direction text   NOT NULL,
    kind      text   NOT NULL,
    status    text   NOT NULL,
    messages  bigint NOT NULL
);
CREATE INDEX message_count_changes_of_tenant ON message_count_changes (tenant);

-- Bulk requests. Their messages name them; how far they have come is counted there.
CREATE TABLE batches (
    id           uuid    NOT NULL CONSTRAINT batches_id PRIMARY KEY,
    tenant       uuid    NOT NULL,
    session      uuid    NOT NULL,
    batch_size   integer NOT NULL,
    accepted     integer NOT NULL,
    rejected     integer NOT NULL,
    created_at   bigint  NOT NULL,
    cancelled_at bigint
);
