-- What is asked for twice is done once.

-- Requests by the keys that callers name them by.
CREATE TABLE idempotency_keys (
    tenant      uuid   NOT NULL,
    -- A SHA-256 of operation and key.
    digest      bytea  NOT NULL,
    -- A SHA-256 of what the request says.
    request     bytea  NOT NULL,
    -- The id of what the request makes, drawn beforehand.
    subject     uuid   NOT NULL,
    -- Until when nobody else does it.
    lease_until bigint NOT NULL,
    expires_at  bigint NOT NULL,
    -- What was answered; empty while it is not done.
    answer      bytea,
    PRIMARY KEY (tenant, digest)
);

CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON idempotency_keys USING (tenant = (SELECT this_tenant()));

-- Who said something last. Rows stay for seconds, and nobody asks for them in a tenant's name.
CREATE TABLE recent_contents (
    -- Stands for session, recipient and content.
    fingerprint uuid   NOT NULL PRIMARY KEY,
    message     uuid   NOT NULL,
    -- When it was said.
    at          bigint NOT NULL,
    -- Until when the same, said again, is a repeat.
    until       bigint NOT NULL
);

CREATE INDEX recent_contents_expiring ON recent_contents (until);

ALTER TABLE recent_contents ENABLE ROW LEVEL SECURITY;
