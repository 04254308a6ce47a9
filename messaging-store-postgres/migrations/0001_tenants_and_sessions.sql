-- Tenants, their sessions, and which node does what for all.
--
-- Everywhere in this schema: instants are microseconds since the Unix epoch, as the program has
-- them, and names of states are the words the API uses, so that a person with psql reads what a
-- program reads. No table names its schema: the connection's search path does.

CREATE TABLE tenants (
    id         uuid   NOT NULL CONSTRAINT tenants_id PRIMARY KEY,
    -- The operator's name for it.
    name       text   NOT NULL CONSTRAINT tenants_name UNIQUE,
    created_at bigint NOT NULL
);

CREATE TABLE sessions (
    id            uuid    NOT NULL CONSTRAINT sessions_id PRIMARY KEY,
    -- No foreign key: who may own a session is decided before it comes here.
    tenant        uuid    NOT NULL,
    name          text    NOT NULL,
    -- Where the account lives: which server, and its name there.
    server        text    NOT NULL,
    server_name   text    NOT NULL,
    -- It was there before us, and deleting it here leaves it there.
    adopted       boolean NOT NULL,
    status        text    NOT NULL,
    -- When the provider said so: what is older is not applied.
    status_at     bigint  NOT NULL,
    own_address   text,
    on_rate_limit text    NOT NULL,
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    -- One name once in a tenant; also finds a tenant's sessions.
    CONSTRAINT sessions_name UNIQUE (tenant, name),
    -- One place has one owner, whoever came first; also finds by the name a webhook carries.
    CONSTRAINT sessions_place UNIQUE (server_name, server)
);

-- Which node has which duty, and until when.
CREATE TABLE duties (
    duty  text   NOT NULL PRIMARY KEY,
    node  uuid   NOT NULL,
    until bigint NOT NULL
);
