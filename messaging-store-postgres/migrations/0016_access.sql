-- API keys, and the families of refresh tokens that were given for them.

CREATE TABLE api_keys (
    id           uuid   NOT NULL PRIMARY KEY,
    tenant       uuid   NOT NULL,
    name         text   NOT NULL,
    role         text   NOT NULL,
    -- Permissions with spaces between; null where the role alone decides.
    scope        text,
    -- Of the secret, which is kept nowhere.
    digest       bytea  NOT NULL CHECK (length(digest) = 32),
    created_at   bigint NOT NULL,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint
);

-- A tenant's keys, newest first.
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

CREATE TABLE token_families (
    id         uuid   NOT NULL PRIMARY KEY,
    tenant     uuid   NOT NULL,
    api_key    uuid   NOT NULL,
    -- The number of the latest refresh token.
    latest     bigint NOT NULL CHECK (latest >= 0),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);

-- What has ended is forgotten.
CREATE INDEX token_families_end ON token_families (expires_at);

-- Nobody asks for families in a tenant's name, so its role may not look at them at all.
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_families ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api_keys USING (tenant = (SELECT this_tenant()));
CREATE POLICY own ON token_families USING (tenant = (SELECT this_tenant()));
