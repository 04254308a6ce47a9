-- What was done, by whom.

CREATE TABLE audit_entries (
    -- The tenant's id; zeros for the platform's.
    chain       uuid    NOT NULL,
    -- From 1, without gaps.
    seq         bigint  NOT NULL,
    at          bigint  NOT NULL,
    actor_kind  text    NOT NULL,
    actor       text    NOT NULL,
    role        text,
    action      text    NOT NULL,
    target_kind text,
    target      text,
    source      text,
    status      integer NOT NULL,
    code        text,
    request     text,
    -- SHA-256 of the entry before, and of this one with it.
    previous    bytea   NOT NULL CHECK (length(previous) = 32),
    hash        bytea   NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, seq)
);

-- What was done to something, and what somebody did.
CREATE INDEX audit_entries_of_target ON audit_entries (chain, target, seq)
WHERE target IS NOT NULL;
CREATE INDEX audit_entries_of_actor ON audit_entries (chain, actor, seq);

-- Where each chain ends, apart from its entries; and the last entry that is kept no longer. Whoever
-- appends to a chain holds its row.
CREATE TABLE audit_chains (
    chain       uuid   NOT NULL PRIMARY KEY,
    seq         bigint NOT NULL DEFAULT 0,
    hash        bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(hash) = 32),
    anchor_seq  bigint NOT NULL DEFAULT 0,
    anchor_hash bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
        CHECK (length(anchor_hash) = 32)
)
WITH (fillfactor = 70);

ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_chains ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_entries USING (chain = (SELECT this_tenant()));
CREATE POLICY own ON audit_chains USING (chain = (SELECT this_tenant()));

-- No mistake of a program changes what was done. Who owns the tables can drop a trigger, but not mend
-- the chain.
CREATE FUNCTION audit_entry_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT anchor_seq FROM audit_chains WHERE chain = OLD.chain)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries of the audit log are never changed, and go from the oldest end alone';
END
$$;
CREATE TRIGGER audit_entry_stays BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_entry_stays();
CREATE TRIGGER audit_entries_stay BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_stays();
