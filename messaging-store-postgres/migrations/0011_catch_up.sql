-- How far each session was read at the provider, how it does, and what a tenant wants to become of
-- messages of which nobody can tell whether they were sent.

ALTER TABLE sessions
    -- When the latest message that was read was written (null: none was).
    ADD COLUMN read_until bigint,
    -- Whether a connected session does what it should, and since when it does not.
    ADD COLUMN health text NOT NULL DEFAULT 'ok',
    ADD COLUMN health_since bigint;

ALTER TABLE tenants ADD COLUMN on_unknown text NOT NULL DEFAULT 'dead-letter';
