-- Chats in which something was said, so that it is known which are new.

CREATE TABLE chats (
    session   BLOB    NOT NULL CHECK (length(session) = 16),
    -- Stands for session and address.
    recipient INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    -- 1: by the account; 0: by the other side.
    by_us     INTEGER NOT NULL CHECK (by_us IN (0, 1)),
    PRIMARY KEY (session, recipient)
) STRICT, WITHOUT ROWID;

-- What the account opened within a day.
CREATE INDEX chats_opened ON chats (session, opened_at) WHERE by_us = 1;

-- What is perhaps sent, and is to be tried again.
CREATE INDEX messages_unknown ON messages (session)
WHERE status = 'retry' AND failure_code = 'outcome-unknown';

-- What limits a session's new chats, as JSON; nothing where there is nothing to say.
ALTER TABLE sessions ADD COLUMN new_chats TEXT;
