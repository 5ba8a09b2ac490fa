-- Signed heads of the audit trail, by how many entries they cover. `follows` is the size of the one
-- before: it is there once, so that of two brokers only one goes on from a checkpoint. Append only.
CREATE TABLE audit_checkpoints (
    size    BIGINT NOT NULL PRIMARY KEY CHECK (size >= 1),
    follows BIGINT NOT NULL UNIQUE CHECK (follows >= 0 AND follows < size),
    note    TEXT   NOT NULL CHECK (octet_length(note) BETWEEN 1 AND 65536)
);

-- Hashes of the complete subtrees that a checkpoint made, 32 bytes each: those of one level that
-- stand side by side, from the index `start` on. Append only.
CREATE TABLE audit_tree (
    level  BIGINT NOT NULL CHECK (level BETWEEN 0 AND 63),
    start  BIGINT NOT NULL CHECK (start >= 0),
    hashes BYTEA  NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 1048576),
    PRIMARY KEY (level, start)
);
