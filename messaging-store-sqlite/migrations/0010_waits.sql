-- What waits says so in a column of its own. Indexes of what waits were conditional on the status,
-- so each change of it wrote all of them anew, also from one status that waits to another.

-- 1: outbound, not held, and `queued`, `retry` or `sending`.
ALTER TABLE messages ADD COLUMN waits INTEGER NOT NULL DEFAULT 0 CHECK (waits = 0 OR waits = 1);
UPDATE messages SET waits = 1
WHERE direction = 'outbound' AND held_by_batch = 0
    AND (status = 'queued' OR status = 'retry' OR status = 'sending');

-- What a queue ought to know, in order of acceptance. Only as large as what waits.
DROP INDEX messages_pending;
CREATE INDEX messages_pending ON messages (id) WHERE waits = 1;

-- The same, recipient by recipient, so that no message leaves before one that must leave first.
DROP INDEX messages_waiting;
CREATE INDEX messages_waiting ON messages (session, recipient, priority, id) WHERE waits = 1;

-- What takes room in a bulk request's share of the queue: never more than a hundred, where the
-- request itself may have ten thousand.
DROP INDEX messages_let_in;
CREATE INDEX messages_let_in ON messages (batch) WHERE batch IS NOT NULL AND waits = 1;

-- When attempts ended, by time and not by session: so each goes to the end of the index, where by
-- session each would change a page of its own. A limiter that lost its state counts from the last
-- minute of it.
DROP INDEX message_events_attempts;
CREATE INDEX message_events_attempts ON message_events (at, attempt_of)
WHERE attempt_of IS NOT NULL;

-- When the next webhook is due is looked up among those that wait, which are few.
DROP INDEX inbox_due;
