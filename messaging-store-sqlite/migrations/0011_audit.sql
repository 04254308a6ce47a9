-- What was done, by whom.

CREATE TABLE audit_entries (
    -- The tenant's id; zeros for the platform's.
    chain       BLOB    NOT NULL CHECK (length(chain) = 16),
    -- From 1, without gaps.
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    actor_kind  TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    role        TEXT,
    action      TEXT    NOT NULL,
    target_kind TEXT,
    target      TEXT,
    source      TEXT,
    status      INTEGER NOT NULL,
    code        TEXT,
    request     TEXT,
    -- SHA-256 of the entry before, and of this one with it.
    previous    BLOB    NOT NULL CHECK (length(previous) = 32),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

-- What was done to something, and what somebody did.
CREATE INDEX audit_entries_of_target ON audit_entries (chain, target, seq)
WHERE target IS NOT NULL;
CREATE INDEX audit_entries_of_actor ON audit_entries (chain, actor, seq);

-- Where each chain ends, apart from its entries; and the last entry that is kept no longer.
CREATE TABLE audit_chains (
    chain       BLOB    NOT NULL PRIMARY KEY CHECK (length(chain) = 16),
    seq         INTEGER NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    anchor_seq  INTEGER NOT NULL DEFAULT 0,
    anchor_hash BLOB    NOT NULL DEFAULT (zeroblob(32)) CHECK (length(anchor_hash) = 32)
) STRICT, WITHOUT ROWID;

-- No mistake of a program changes what was done. Who owns the file can drop a trigger, but not mend
-- the chain.
CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit log is never changed');
END;
CREATE TRIGGER audit_entries_go_from_the_oldest BEFORE DELETE ON audit_entries
WHEN OLD.seq > coalesce((SELECT anchor_seq FROM audit_chains WHERE chain = OLD.chain), 0) BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log go from the oldest end alone');
END;
