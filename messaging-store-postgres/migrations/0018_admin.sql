-- How much a tenant may do, and tenants on their way out.

ALTER TABLE tenants
    -- How many requests to send in a minute; null: as many as any other.
    ADD COLUMN requests_per_minute bigint,
    -- How many messages of each of its sessions may wait; null: likewise.
    ADD COLUMN max_waiting bigint,
    -- Since when it is being deleted, and how many rows are gone.
    ADD COLUMN deleting_since bigint,
    ADD COLUMN erased bigint NOT NULL DEFAULT 0;
