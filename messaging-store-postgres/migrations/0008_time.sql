-- When a message is sent at the earliest and at the latest; and what somebody stopped.

-- Not to be tried from then on. (Not before: due_at.)
ALTER TABLE messages ADD COLUMN expires_at bigint;

-- What is let in when its time comes. held_by_batch without a bulk request holds back for that.
CREATE INDEX messages_scheduled ON messages (due_at) WHERE held_by_batch AND batch IS NULL;

-- What expires.
CREATE INDEX messages_expiring ON messages (expires_at)
WHERE expires_at IS NOT NULL AND status IN ('queued', 'retry');

-- Since when, until when (null: until it is resumed), and why.
ALTER TABLE batches
    ADD COLUMN send_at bigint,
    ADD COLUMN suspended_at bigint,
    ADD COLUMN suspended_until bigint,
    ADD COLUMN suspension_reason text;
ALTER TABLE tenants
    ADD COLUMN suspended_at bigint,
    ADD COLUMN suspended_until bigint,
    ADD COLUMN suspension_reason text;
-- A session also has what stops its tenant, so that who looks at it need not look at the tenant.
ALTER TABLE sessions
    ADD COLUMN suspended_at bigint,
    ADD COLUMN suspended_until bigint,
    ADD COLUMN suspension_reason text,
    ADD COLUMN tenant_suspended_at bigint,
    ADD COLUMN tenant_suspended_until bigint,
    ADD COLUMN tenant_suspension_reason text;
