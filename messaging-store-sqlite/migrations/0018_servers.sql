-- The provider's servers that were added while the gateway ran.

CREATE TABLE servers (
    name       TEXT    NOT NULL PRIMARY KEY,
    url        TEXT    NOT NULL,
    -- Sealed where anything is; NULL where the server asks for none.
    api_key    TEXT,
    -- How many sessions it may hold; NULL for as many as come.
    capacity   INTEGER CHECK (capacity >= 0),
    draining   INTEGER NOT NULL CHECK (draining IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many sessions are on a server.
CREATE INDEX sessions_of_server ON sessions (server);
