-- What a vault made of messages, in the place of what they say; and the keys it did that with, each
-- wrapped in another that is not here.

ALTER TABLE message_contents
    -- Which of the tenant's keys opens it; NULL for what is not sealed. Whom it goes to or comes from
    -- is then told by the message's recipient_key alone.
    ADD COLUMN sealed_under integer,
    -- The marks of its words, eight bytes each.
    ADD COLUMN terms bytea,
    ADD COLUMN sealed bytea;

-- Neither gets shorter by being compressed.
ALTER TABLE message_contents ALTER COLUMN terms SET STORAGE EXTERNAL;
ALTER TABLE message_contents ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Whether a message is marked with all of these words, of which there are some: a mark is the first
-- eight bytes of the SHA-256 of word and id.
CREATE FUNCTION is_marked(terms bytea, message uuid, words bytea[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(
        bool_and(position(substring(sha256(word || uuid_send(message)) FROM 1 FOR 8) IN terms) > 0),
        false
    )
    FROM unnest(words) AS word
);

-- As message_texts and long_message_texts, for what is sealed.
CREATE INDEX message_terms ON message_contents (tenant, message) INCLUDE (terms)
WHERE sealed_under IS NOT NULL AND length(terms) <= 2000;
CREATE INDEX long_message_terms ON message_contents (tenant, message) WHERE length(terms) > 2000;

CREATE TABLE wrapped_keys (
    -- The nil UUID for the deployment's own.
    tenant     uuid    NOT NULL,
    purpose    text    NOT NULL,
    version    integer NOT NULL,
    -- The name of the key that it is wrapped in.
    wrapped_by text    NOT NULL,
    wrapped    bytea   NOT NULL,
    created_at bigint  NOT NULL,
    PRIMARY KEY (tenant, purpose, version)
);

-- Nobody asks for them in a tenant's name.
ALTER TABLE wrapped_keys ENABLE ROW LEVEL SECURITY;
