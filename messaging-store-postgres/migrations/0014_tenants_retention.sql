-- What each tenant wants to be kept no longer.

-- For how long, in microseconds; NULL: as long as the deployment keeps it.
CREATE TABLE retention_rules (
    tenant   uuid   NOT NULL PRIMARY KEY,
    messages bigint,
    webhooks bigint,
    audit    bigint
);
-- Nobody asks for them in a tenant's name.
ALTER TABLE retention_rules ENABLE ROW LEVEL SECURITY;

-- A tenant's webhooks, oldest first.
CREATE INDEX inbox_of_tenant ON inbox (tenant, id) WHERE status <> 'pending';
