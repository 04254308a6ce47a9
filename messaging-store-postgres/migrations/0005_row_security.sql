-- The second wall between tenants, behind the conditions of every query: what is asked for a tenant
-- is asked under a role that sees the rows of the tenant named in the setting `messaging.tenant`,
-- and no others. Who owns the tables sees all.

CREATE FUNCTION this_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('messaging.tenant', true), '')::uuid;

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_contents ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_count_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE batches ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON messages USING (tenant = (SELECT this_tenant()));
CREATE POLICY own ON message_contents USING (tenant = (SELECT this_tenant()));
-- Those of messages that can be seen.
CREATE POLICY own ON message_events
    USING (EXISTS (SELECT FROM messages WHERE messages.id = message_events.message));
CREATE POLICY own ON message_counts USING (tenant = (SELECT this_tenant()));
CREATE POLICY own ON message_count_changes USING (tenant = (SELECT this_tenant()));
CREATE POLICY own ON batches USING (tenant = (SELECT this_tenant()));
CREATE POLICY own ON sessions USING (tenant = (SELECT this_tenant()));
