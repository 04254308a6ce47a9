-- Messages, their history, and bulk requests.

CREATE TABLE messages (
    -- Drawn in order of time, so a new message goes to the end of every index that ends in it.
    -- The table keeps its rowid: rows can be long (a caption, a file in base64), and a table
    -- without rowid would carry them through the upper levels of its tree.
    id                  BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant              BLOB    NOT NULL CHECK (length(tenant) = 16),
    -- No foreign key: messages outlive their session.
    session             BLOB    NOT NULL CHECK (length(session) = 16),
    -- The bulk request it belongs to.
    batch               BLOB,
    direction           TEXT    NOT NULL CHECK (direction = 'outbound' OR direction = 'inbound'),
    -- Numbers with their plus sign, or chat ids ("from" and "to" are words of SQL).
    sender              TEXT,
    recipient           TEXT,
    priority            TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    -- Attempts that count, and attempts begun: the fence between one attempt and the next.
    attempts            INTEGER NOT NULL CHECK (attempts >= 0),
    generation          INTEGER NOT NULL CHECK (generation >= 0),
    -- 1: waits for its bulk request to let it into the queue.
    held_by_batch       INTEGER NOT NULL CHECK (held_by_batch = 0 OR held_by_batch = 1),
    due_at              INTEGER NOT NULL,
    -- Why it failed or is tried again: a stable code, and a sentence for people.
    failure_code        TEXT,
    failure_detail      TEXT,
    provider_message_id TEXT,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    sent_at             INTEGER,
    delivered_at        INTEGER,
    read_at             INTEGER,
    failed_at           INTEGER,
    -- What kind `attachment` makes it; kept apart so that counting reads no JSON.
    kind                TEXT    NOT NULL,
    -- The text under "campaignId" in `metadata`, taken out when the row is written: what is no
    -- text there names no campaign, and metadata never changes.
    campaign            TEXT,
    -- The long ones stand last: what is read without them never follows a row to its overflow
    -- pages.
    body                TEXT    NOT NULL,
    metadata            TEXT,
    attachment          TEXT,
    CHECK (failure_code IS NOT NULL OR failure_detail IS NULL)
) STRICT;

-- A tenant's list, newest first. What lists are filtered by and statistics count stands in it, so
-- that both pass over a million entries (a tenth of a second) without looking at one row. One wide
-- index instead of one for each filter: a new message changes one page here, where a narrow index
-- by session alone would change as many as there are sessions at work, and pages changed are what
-- a commit costs.
CREATE INDEX messages_of_tenant
ON messages (tenant, id, created_at, status, direction, session, kind, sent_at);

-- A tenant's dead letters, which must be found at once among a million that arrived.
CREATE INDEX messages_failed ON messages (tenant, id) WHERE status = 'failed';

-- A campaign's list.
CREATE INDEX messages_of_campaign ON messages (tenant, campaign, id) WHERE campaign IS NOT NULL;

-- What a queue ought to know, in order of acceptance. Only as large as what waits. (Written with
-- OR because IN builds a table of its list each time a row is written.)
CREATE INDEX messages_pending ON messages (id)
WHERE direction = 'outbound' AND held_by_batch = 0
    AND (status = 'queued' OR status = 'retry' OR status = 'sending');

-- Attempts under way through a session.
CREATE INDEX messages_sending ON messages (session) WHERE status = 'sending';

-- How far a bulk request has come, and its list.
CREATE INDEX messages_of_batch ON messages (batch, id, status) WHERE batch IS NOT NULL;

-- What takes room in a bulk request's share of the queue: never more than a hundred, where the
-- request itself may have ten thousand.
CREATE INDEX messages_let_in ON messages (batch)
WHERE batch IS NOT NULL AND held_by_batch = 0
    AND (status = 'queued' OR status = 'retry' OR status = 'sending');

-- What bulk requests hold back, in the order in which it is let in.
CREATE INDEX messages_held ON messages (batch, id) WHERE held_by_batch = 1;

-- What came in is kept once, however often the provider tells of it. The direction stands beside
-- the id: whoever writes to their own number sends and receives under one id.
CREATE UNIQUE INDEX messages_received_once ON messages (session, provider_message_id)
WHERE direction = 'inbound' AND provider_message_id IS NOT NULL;

-- The message an ack is about. Not unique: a provider that repeats an id must not keep the end of
-- an attempt from being recorded.
CREATE INDEX messages_at_provider ON messages (session, provider_message_id)
WHERE direction = 'outbound' AND provider_message_id IS NOT NULL;

-- The history: one row for each thing that happened, numbered from 1 within its message. A message
-- to which nothing has happened yet has none: it says itself how it came into being.
CREATE TABLE message_events (
    message        BLOB    NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    -- NULL for the message's coming into being.
    event          TEXT,
    -- As they were afterwards.
    status         TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    failure_code   TEXT,
    failure_detail TEXT,
    -- The session, where this ended an attempt that counts against the session's quota.
    attempt_of     BLOB,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;

-- When attempts through a session ended: what a limiter that lost its state counts from.
CREATE INDEX message_events_attempts ON message_events (attempt_of, at)
WHERE attempt_of IS NOT NULL;

-- Bulk requests. Their messages name them; how far they have come is counted there.
CREATE TABLE batches (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant       BLOB    NOT NULL CHECK (length(tenant) = 16),
    session      BLOB    NOT NULL CHECK (length(session) = 16),
    batch_size   INTEGER NOT NULL,
    accepted     INTEGER NOT NULL,
    rejected     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    cancelled_at INTEGER
) STRICT, WITHOUT ROWID;
