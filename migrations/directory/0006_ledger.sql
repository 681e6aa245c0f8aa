-- What directory servers agree on besides the ring: it is of the state that the log makes, as of `applied`.

-- The settings of groups that accounts have a rank in, as of (generation, number, seq). Void ones are not here.
CREATE TABLE charters (
    name       TEXT PRIMARY KEY,
    birth      TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    record     BLOB    NOT NULL -- the settings
) STRICT;

-- Accounts, and what their passwords are checked with.
CREATE TABLE accounts (
    name    TEXT PRIMARY KEY COLLATE NOCASE,
    secret  TEXT    NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL -- the password
) STRICT, WITHOUT ROWID;
