-- What was exchanged with one person.

-- Stands for tenant and person; NULL where nobody is on the other side, or nobody is to know any more.
-- (Filled in by the program: what stands for whom is a hash.)
ALTER TABLE messages ADD COLUMN person INTEGER;
