-- Signed heads of the audit trail, by how many entries they cover. `follows` is the size of the one
-- before: it is there once, so that of two brokers only one goes on from a checkpoint. Append only.
CREATE TABLE audit_checkpoints (
    size    INTEGER NOT NULL PRIMARY KEY CHECK (size >= 1),
    follows INTEGER NOT NULL UNIQUE CHECK (follows >= 0 AND follows < size),
    note    TEXT    NOT NULL CHECK (length(note) BETWEEN 1 AND 65536)
) STRICT;

-- Hashes of the complete subtrees that a checkpoint made, 32 bytes each: those of one level that
-- stand side by side, from the index `start` on. Append only.
CREATE TABLE audit_tree (
    level  INTEGER NOT NULL CHECK (level BETWEEN 0 AND 63),
    start  INTEGER NOT NULL CHECK (start >= 0),
    hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 1048576),
    PRIMARY KEY (level, start)
) STRICT;
