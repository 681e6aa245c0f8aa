-- What a directory server keeps: the ring, and what masters reported of groups.
--
-- Ids (incarnation, birth, session) are 16 hexadecimal digits, as on the wire. Times are milliseconds since the Unix epoch.
-- Columns named record hold a value of the wire language as netstrings: `3:joe,0:,`.

PRAGMA application_id = 0x63687264; -- "chrd"

-- One row once the network is founded: the current epoch and how placement works.
CREATE TABLE network (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    metric     TEXT    NOT NULL,
    points     INTEGER NOT NULL
) STRICT;

-- The super nodes in the ring now.
CREATE TABLE super_nodes (
    key         TEXT PRIMARY KEY,
    name        TEXT    NOT NULL,
    incarnation TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    admitted    TEXT    NOT NULL -- the epoch in which its present stay began: generation.number
) STRICT, WITHOUT ROWID;

-- One row once a change of the ring was planned: the last number given to one, and what is planned now.
CREATE TABLE planned (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    record BLOB -- the plan; NULL: nothing is planned
) STRICT;

-- Starts of super nodes that a plan took out of the ring, by its number: they don't come back.
CREATE TABLE drained (
    number      INTEGER PRIMARY KEY,
    key         TEXT NOT NULL,
    incarnation TEXT NOT NULL
) STRICT;

CREATE TABLE directories (
    position INTEGER PRIMARY KEY,
    address  TEXT NOT NULL
) STRICT;

-- Views before the current one, the last few of them: who may have held a group before.
CREATE TABLE past_views (
    generation INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    record     BLOB    NOT NULL,
    PRIMARY KEY (generation, number)
) STRICT, WITHOUT ROWID;

-- As of the last report taken, which (generation, number, seq) tells.
CREATE TABLE groups (
    name       TEXT PRIMARY KEY,
    master     TEXT    NOT NULL,
    birth      TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    topic      TEXT    NOT NULL, -- for queries; the settings have it, too
    record     BLOB    NOT NULL, -- the settings
    copies     BLOB    NOT NULL  -- who has a copy, the master included
) STRICT;

CREATE INDEX groups_by_master ON groups (master, name);

CREATE TABLE members (
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    session    TEXT NOT NULL,
    nick       TEXT NOT NULL,
    user       TEXT NOT NULL,
    host       TEXT NOT NULL,
    account    TEXT NOT NULL,
    real       TEXT NOT NULL,
    node       TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (group_name, session)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_session ON members (session);
