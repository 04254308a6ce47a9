-- How far each session was read at the provider, how it does, and what a tenant wants to become of
-- messages of which nobody can tell whether they were sent.

-- When the latest message that was read was written (NULL: none was).
ALTER TABLE sessions ADD COLUMN read_until INTEGER;

-- Whether a connected session does what it should, and since when it does not.
ALTER TABLE sessions ADD COLUMN health TEXT NOT NULL DEFAULT 'ok';
ALTER TABLE sessions ADD COLUMN health_since INTEGER;

ALTER TABLE tenants ADD COLUMN on_unknown TEXT NOT NULL DEFAULT 'dead-letter';
