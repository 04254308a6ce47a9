-- What is kept no longer.

-- Months of messages that nobody finds any more. Their tables, `leaving_<month>`, stay for as long
-- as there is something left that refers to their messages.
CREATE TABLE leaving (
    -- As its tables have it in their names: 2026_01.
    month      text    NOT NULL PRIMARY KEY,
    -- The first microsecond after it.
    ends_at    bigint  NOT NULL,
    -- Whether its messages are out of the counts.
    is_counted boolean NOT NULL DEFAULT false,
    -- Nothing refers to messages up to this one.
    reached    uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);

-- Finds what was received in a month. They stand about in the order they came in, so that a few
-- bytes for each stretch of them will do.
CREATE INDEX inbox_keys_by_time ON inbox_keys USING brin (received_at) WITH (autosummarize = on);

-- The other partitions go as a whole; of this one, rows do.
CREATE INDEX attempts_other_by_time ON attempts_other (at);
