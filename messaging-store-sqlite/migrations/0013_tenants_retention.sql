-- What each tenant wants to be kept no longer.

-- For how long, in microseconds; NULL: as long as the deployment keeps it.
CREATE TABLE retention_rules (
    tenant   BLOB    NOT NULL PRIMARY KEY CHECK (length(tenant) = 16),
    messages INTEGER,
    webhooks INTEGER,
    audit    INTEGER
) STRICT, WITHOUT ROWID;

-- A tenant's webhooks, oldest first.
CREATE INDEX inbox_of_tenant ON inbox (tenant, id) WHERE status <> 'pending';
