-- Chats in which something was said, so that it is known which are new.

CREATE TABLE chats (
    session   uuid    NOT NULL,
    -- Stands for session and address.
    recipient bigint  NOT NULL,
    opened_at bigint  NOT NULL,
    -- By the account, rather than by the other side.
    by_us     boolean NOT NULL,
    PRIMARY KEY (session, recipient)
);

-- What the account opened within a day.
CREATE INDEX chats_opened ON chats (session, opened_at) WHERE by_us;

-- Nobody asks for them in a tenant's name.
ALTER TABLE chats ENABLE ROW LEVEL SECURITY;

-- What is perhaps sent, and is to be tried again.
CREATE INDEX messages_unknown ON messages (session)
WHERE status = 'retry' AND failure_code = 'outcome-unknown';

-- What limits a session's new chats; nothing where there is nothing to say.
ALTER TABLE sessions ADD COLUMN new_chats jsonb;
