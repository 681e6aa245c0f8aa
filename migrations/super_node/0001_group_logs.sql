-- What a super node keeps of its groups: for each an image of its state, the log around it, and what the copy may claim.
--
-- Columns named record hold values of the wire language as netstrings: `3:joe,0:,`. Seqs are numbers, times milliseconds since the Unix epoch.

PRAGMA application_id = 0x63687367; -- "chsg"

-- One row: whose file this is, and how the last process ended.
CREATE TABLE owner (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    network TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    durable INTEGER NOT NULL, -- 1: every acknowledgement waited for this file
    clean   INTEGER NOT NULL  -- 1: all there was to keep is here; 0 while the file is in use
) STRICT;

CREATE TABLE groups (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    whole    INTEGER NOT NULL, -- 1: nothing the node acknowledged is missing, unless the process ended in disorder
    standing BLOB              -- what the copy may claim
) STRICT;

-- Apart from groups, so that a new standing does not write an image again.
CREATE TABLE images (
    group_id INTEGER PRIMARY KEY,
    record   BLOB    NOT NULL
) STRICT;

-- The log, in the order it was written, some entries of one group a row. No index: it would cost more than the rows, and the log is only ever read as a whole, at a start.
CREATE TABLE chunks (
    id       INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    record   BLOB    NOT NULL
) STRICT;
