-- What waits for one recipient, so that no message leaves before one that must leave first. Only as
-- large as what waits.
CREATE INDEX messages_waiting ON messages (session, recipient, priority, id)
WHERE direction = 'outbound' AND held_by_batch = 0
    AND (status = 'queued' OR status = 'retry' OR status = 'sending');
