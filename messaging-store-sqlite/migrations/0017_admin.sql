-- How much a tenant may do, and tenants on their way out.

-- How many requests to send in a minute; NULL: as many as any other.
ALTER TABLE tenants ADD COLUMN requests_per_minute INTEGER;
-- How many messages of each of its sessions may wait; NULL: likewise.
ALTER TABLE tenants ADD COLUMN max_waiting INTEGER;

-- Since when it is being deleted, and how many rows are gone.
ALTER TABLE tenants ADD COLUMN deleting_since INTEGER;
ALTER TABLE tenants ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
