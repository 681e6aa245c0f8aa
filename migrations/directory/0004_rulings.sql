-- What operators ruled of super nodes, whether they are there or not: they may come into the ring, or may not.
CREATE TABLE rulings (
    key    TEXT PRIMARY KEY,
    ruling TEXT NOT NULL CHECK (ruling IN ('ADMITTED', 'REFUSED'))
) STRICT, WITHOUT ROWID;
