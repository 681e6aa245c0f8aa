-- What lists of super nodes are signed with. One row: 32 bytes that make this server's key pair, drawn when the file was made.
CREATE TABLE list_key (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seed BLOB    NOT NULL CHECK (length(seed) = 32)
) STRICT;

-- What each server's lists are checked with, in hexadecimal; empty: it has not said so yet.
ALTER TABLE directories ADD COLUMN key TEXT NOT NULL DEFAULT '';
