-- From whose texts personal data is taken: 'due' once they need not be sent any more, 'done' since.

ALTER TABLE messages ADD COLUMN redaction text;

CREATE INDEX messages_to_redact ON messages (id)
WHERE redaction = 'due'
    AND status IN ('sent', 'delivered', 'read', 'discarded', 'cancelled', 'expired');
