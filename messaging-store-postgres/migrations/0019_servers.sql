-- The provider's servers that were added while the gateway ran.

CREATE TABLE servers (
    -- In the order of its bytes, whatever the language of the database.
    name       text COLLATE "C" NOT NULL CONSTRAINT servers_name PRIMARY KEY,
    url        text    NOT NULL,
    -- Sealed where anything is; null where the server asks for none.
    api_key    text,
    -- How many sessions it may hold; null for as many as come.
    capacity   bigint  CHECK (capacity >= 0),
    draining   boolean NOT NULL,
    created_at bigint  NOT NULL,
    updated_at bigint  NOT NULL
);

-- They are nobody's who asks in a tenant's name.
ALTER TABLE servers ENABLE ROW LEVEL SECURITY;

-- How many sessions are on a server.
CREATE INDEX sessions_of_server ON sessions (server);
