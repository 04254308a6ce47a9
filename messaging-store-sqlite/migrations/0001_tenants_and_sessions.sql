-- Tenants and their sessions.
--
-- Everywhere in this schema: ids are the 16 bytes of a UUID, instants are microseconds since the
-- Unix epoch, and names of states are the words the API uses, so that a person with the sqlite3
-- shell reads what a program reads. Few rows are touched by a change, so the bytes a word costs
-- more than a number do not show. Tables are STRICT: a column holds its type or nothing.

CREATE TABLE tenants (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- The operator's name for it; the constraint is what refuses a second one.
    name       TEXT    NOT NULL CONSTRAINT tenants_named UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- No foreign key: who may own a session is decided before it comes here.
    tenant        BLOB    NOT NULL CHECK (length(tenant) = 16),
    name          TEXT    NOT NULL,
    -- Where the account lives: which server, and its name there.
    server        TEXT    NOT NULL,
    server_name   TEXT    NOT NULL,
    -- 1: it was there before us, and deleting it here leaves it there.
    adopted       INTEGER NOT NULL CHECK (adopted IN (0, 1)),
    status        TEXT    NOT NULL,
    -- When the provider said so: what is older is not applied.
    status_at     INTEGER NOT NULL,
    own_address   TEXT,
    on_rate_limit TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One name once in a tenant; also finds a tenant's sessions.
CREATE UNIQUE INDEX sessions_named ON sessions (tenant, name);

-- One place has one owner, whoever came first; also finds by the name a webhook carries.
CREATE UNIQUE INDEX sessions_placed ON sessions (server_name, server);
