-- When a message is sent at the earliest and at the latest; and what somebody stopped.

-- Not to be tried from then on. (Not before: `due_at`.)
ALTER TABLE messages ADD COLUMN expires_at INTEGER;

-- What is let in when its time comes. `held_by_batch` without a bulk request holds back for that.
CREATE INDEX messages_scheduled ON messages (due_at) WHERE held_by_batch = 1 AND batch IS NULL;

-- What expires.
CREATE INDEX messages_expiring ON messages (expires_at)
WHERE expires_at IS NOT NULL AND (status = 'queued' OR status = 'retry');

ALTER TABLE batches ADD COLUMN send_at INTEGER;

-- Since when, until when (NULL: until it is resumed), and why.
ALTER TABLE batches ADD COLUMN suspended_at INTEGER;
ALTER TABLE batches ADD COLUMN suspended_until INTEGER;
ALTER TABLE batches ADD COLUMN suspension_reason TEXT;
ALTER TABLE sessions ADD COLUMN suspended_at INTEGER;
ALTER TABLE sessions ADD COLUMN suspended_until INTEGER;
ALTER TABLE sessions ADD COLUMN suspension_reason TEXT;
ALTER TABLE tenants ADD COLUMN suspended_at INTEGER;
ALTER TABLE tenants ADD COLUMN suspended_until INTEGER;
ALTER TABLE tenants ADD COLUMN suspension_reason TEXT;
