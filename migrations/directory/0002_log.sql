-- The log that directory servers keep together. The tables of the first schema are the state that it makes, as of `applied`; what masters report of groups stands beside it, on each server by itself.

-- Nobody asked for these.
DROP TABLE past_views;

-- One row once the server has a part in a log.
CREATE TABLE log_head (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    server      TEXT    NOT NULL, -- which server this file makes
    term        INTEGER NOT NULL, -- the newest it knows
    voted       TEXT,             -- who has its vote in that
    base_number INTEGER NOT NULL, -- behind this place the records begin
    base_term   INTEGER NOT NULL,
    roster      BLOB    NOT NULL, -- the servers as of there
    applied     INTEGER NOT NULL  -- the state is as of this record
) STRICT;

CREATE TABLE log (
    number INTEGER PRIMARY KEY,
    record BLOB    NOT NULL
) STRICT;
