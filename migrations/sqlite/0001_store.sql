-- The store of a broker. What the tables mean, and who may trust what in them, is in
-- broker/src/store.rs; the same tables for Postgres are in migrations/postgres.
--
-- Identities are 16 bytes, hashes and MACs 32 bytes, times microseconds since 1970, revisions and
-- numbers 64-bit integers. STRICT, so that a column holds what it says. The upper bounds are far
-- above what a broker writes: they stop a broken one, and no one else.
--
-- A row that belongs to one environment names it. Log, audit and requests do not: one batch, entry
-- or request may touch several, and says so in its own bytes.

-- One row, which orders every change of every broker. Written by compare-and-swap under its lock.
CREATE TABLE head (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    BLOB    NOT NULL CHECK (length(epoch) = 16),
    revision INTEGER NOT NULL CHECK (revision >= 0),
    mac      BLOB    NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Who may have what, as a chain: each MAC covers the one before it. Append only.
CREATE TABLE authority_log (
    revision INTEGER NOT NULL CHECK (revision >= 1),
    position INTEGER NOT NULL CHECK (position >= 0),
    record   BLOB    NOT NULL CHECK (length(record) BETWEEN 1 AND 4194304),
    mac      BLOB    NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (revision, position)
) STRICT;

-- A sealed version. To destroy one is to delete its row, and with it the only copy of its data
-- key; secure_delete overwrites the bytes.
CREATE TABLE secret_versions (
    secret      BLOB    NOT NULL CHECK (length(secret) = 16),
    version     INTEGER NOT NULL CHECK (version >= 1),
    environment TEXT    NOT NULL CHECK (length(environment) BETWEEN 1 AND 64),
    wrapped     BLOB    NOT NULL CHECK (length(wrapped) BETWEEN 1 AND 4096),
    sealed      BLOB    NOT NULL CHECK (length(sealed) BETWEEN 1 AND 131072),
    PRIMARY KEY (secret, version)
) STRICT;

-- The end of each broker's audit lane. Written by compare-and-swap, so that two processes with one
-- broker's identity cannot both go on.
CREATE TABLE audit_lanes (
    lane BLOB    NOT NULL PRIMARY KEY CHECK (length(lane) = 16),
    seq  INTEGER NOT NULL CHECK (seq >= 1),
    hash BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- What was done and delivered: one hash chain a lane. Append only.
CREATE TABLE audit (
    lane  BLOB    NOT NULL CHECK (length(lane) = 16),
    seq   INTEGER NOT NULL CHECK (seq >= 1),
    at    INTEGER NOT NULL,
    entry BLOB    NOT NULL CHECK (length(entry) BETWEEN 1 AND 4194304),
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (lane, seq)
) STRICT;

-- Pages over all lanes go by time.
CREATE INDEX audit_by_time ON audit (at, lane, seq);

-- What requests with an id were answered, so that a retry does nothing twice. Never a value.
CREATE TABLE requests (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    answer      BLOB    NOT NULL CHECK (length(answer) <= 1048576),
    at          INTEGER NOT NULL
) STRICT;

-- Old answers are forgotten by time.
CREATE INDEX requests_by_time ON requests (at);

-- What each running copy of an agent said last of each secret. A word of the sidecar, not of the
-- authority: it has no MAC, and nothing is granted by it.
CREATE TABLE reports (
    agent       BLOB    NOT NULL CHECK (length(agent) = 16),
    instance    BLOB    NOT NULL CHECK (length(instance) = 16),
    secret      BLOB    NOT NULL CHECK (length(secret) = 16),
    environment TEXT    NOT NULL CHECK (length(environment) BETWEEN 1 AND 64),
    version     INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    evidence    INTEGER NOT NULL,
    detail      TEXT    NOT NULL CHECK (length(detail) <= 1024),
    boot        BLOB    NOT NULL CHECK (length(boot) = 16),
    at          INTEGER NOT NULL,
    PRIMARY KEY (agent, instance, secret)
) STRICT;

-- Sealed blobs by name: the keyring, the authority that signs certificates.
CREATE TABLE vault (
    name    TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    content BLOB NOT NULL CHECK (length(content) BETWEEN 1 AND 16777216)
) STRICT;
