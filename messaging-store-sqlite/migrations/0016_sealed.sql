-- What a vault made of messages, in the place of what they say; and the keys it did that with, each
-- wrapped in another that is not here.

-- Which of the tenant's keys opens it; NULL for what is not sealed.
ALTER TABLE messages ADD COLUMN sealed_under INTEGER;
-- The marks of its words, eight bytes each.
ALTER TABLE messages ADD COLUMN terms BLOB;
-- Last, as the long ones are.
ALTER TABLE messages ADD COLUMN sealed BLOB;

CREATE TABLE wrapped_keys (
    -- Empty for the deployment's own.
    tenant     BLOB    NOT NULL CHECK (length(tenant) = 16 OR length(tenant) = 0),
    purpose    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    -- The name of the key that it is wrapped in.
    wrapped_by TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, purpose, version)
) STRICT, WITHOUT ROWID;
