-- What is asked for twice is done once.

-- Requests by the keys that callers name them by.
CREATE TABLE idempotency_keys (
    tenant      BLOB    NOT NULL CHECK (length(tenant) = 16),
    -- A SHA-256 of operation and key.
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    -- A SHA-256 of what the request says.
    request     BLOB    NOT NULL CHECK (length(request) = 32),
    -- The id of what the request makes, drawn beforehand.
    subject     BLOB    NOT NULL CHECK (length(subject) = 16),
    -- Until when nobody else does it.
    lease_until INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- What was answered; empty while it is not done.
    answer      BLOB,
    PRIMARY KEY (tenant, digest)
) STRICT;

CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);

-- Who said something last. Rows stay for seconds.
CREATE TABLE recent_contents (
    -- Stands for session, recipient and content.
    fingerprint BLOB    NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 16),
    message     BLOB    NOT NULL CHECK (length(message) = 16),
    -- Until when the same, said again, is a repeat.
    until       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX recent_contents_expiring ON recent_contents (until);
