-- API keys, and the families of refresh tokens that were given for them.

CREATE TABLE api_keys (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant       BLOB    NOT NULL CHECK (length(tenant) = 16),
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    -- Permissions with spaces between; NULL where the role alone decides.
    scope        TEXT,
    -- Of the secret, which is kept nowhere.
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

-- A tenant's keys, newest first.
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

CREATE TABLE token_families (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant     BLOB    NOT NULL CHECK (length(tenant) = 16),
    api_key    BLOB    NOT NULL CHECK (length(api_key) = 16),
    -- The number of the latest refresh token.
    latest     INTEGER NOT NULL CHECK (latest >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- What has ended is forgotten.
CREATE INDEX token_families_end ON token_families (expires_at);
