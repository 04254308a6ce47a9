-- What was exchanged with one person.

-- Stands for tenant and person: the first eight bytes of a SHA-256, as the program makes it.
CREATE FUNCTION person_key(tenant uuid, address text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || encode(substr(sha256(uuid_send(tenant) || convert_to(address, 'UTF8')), 1, 8), 'hex'))
    ::bit(64)::bigint;

-- NULL where nobody is on the other side, or nobody is to know any more.
ALTER TABLE messages ADD COLUMN person bigint;

UPDATE messages m SET person = person_key(
    m.tenant, CASE m.direction WHEN 'inbound' THEN c.sender ELSE c.recipient END
)
FROM message_contents c WHERE c.message = m.id;

CREATE INDEX messages_of_person ON messages (tenant, person, id) WHERE person IS NOT NULL;
