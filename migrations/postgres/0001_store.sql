-- The store of a broker. What the tables mean, and who may trust what in them, is in
-- broker/src/store.rs; the same tables for SQLite are in migrations/sqlite.
--
-- Identities are 16 bytes, hashes and MACs 32 bytes, times microseconds since 1970, revisions and
-- numbers 64-bit integers. The upper bounds are far above what a broker writes: they stop a broken
-- one, and no one else.
--
-- A row that belongs to one environment names it. Log, audit and requests do not: one batch, entry
-- or request may touch several, and says so in its own bytes.

-- One row, which orders every change of every broker. Written by compare-and-swap under its lock.
-- Its page is kept nearly empty, so that each new version of the row stays in it (a HOT update).
CREATE TABLE head (
    id       BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    BYTEA   NOT NULL CHECK (octet_length(epoch) = 16),
    revision BIGINT  NOT NULL CHECK (revision >= 0),
    mac      BYTEA   NOT NULL CHECK (octet_length(mac) = 32)
) WITH (fillfactor = 10);

-- Who may have what, as a chain: each MAC covers the one before it. Append only.
CREATE TABLE authority_log (
    revision BIGINT  NOT NULL CHECK (revision >= 1),
    position BIGINT  NOT NULL CHECK (position >= 0),
    record   BYTEA   NOT NULL CHECK (octet_length(record) BETWEEN 1 AND 4194304),
    mac      BYTEA   NOT NULL CHECK (octet_length(mac) = 32),
    PRIMARY KEY (revision, position)
);

-- A sealed version. To destroy one is to delete its row, and with it the only copy of its data
-- key. Postgres keeps the dead row until VACUUM, and backups and archived logs keep it until they
-- are deleted; there it stays sealed under the root key.
CREATE TABLE secret_versions (
    secret      BYTEA   NOT NULL CHECK (octet_length(secret) = 16),
    version     BIGINT  NOT NULL CHECK (version >= 1),
    environment TEXT    NOT NULL CHECK (octet_length(environment) BETWEEN 1 AND 64),
    wrapped     BYTEA   NOT NULL CHECK (octet_length(wrapped) BETWEEN 1 AND 4096),
    sealed      BYTEA   NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 131072),
    PRIMARY KEY (secret, version)
);

-- Ciphertext does not get smaller: do not try.
ALTER TABLE secret_versions ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- The end of each broker's audit lane. Written by compare-and-swap, so that two processes with one
-- broker's identity cannot both go on.
CREATE TABLE audit_lanes (
    lane BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(lane) = 16),
    seq  BIGINT  NOT NULL CHECK (seq >= 1),
    hash BYTEA   NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 10);

-- What was done and delivered: one hash chain a lane. Append only.
CREATE TABLE audit (
    lane  BYTEA   NOT NULL CHECK (octet_length(lane) = 16),
    seq   BIGINT  NOT NULL CHECK (seq >= 1),
    at    BIGINT  NOT NULL,
    entry BYTEA   NOT NULL CHECK (octet_length(entry) BETWEEN 1 AND 4194304),
    hash  BYTEA   NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (lane, seq)
);

-- Pages over all lanes go by time.
CREATE INDEX audit_by_time ON audit (at, lane, seq);

-- What requests with an id were answered, so that a retry does nothing twice. Never a value.
CREATE TABLE requests (
    id          BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    fingerprint BYTEA   NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer      BYTEA   NOT NULL CHECK (octet_length(answer) <= 1048576),
    at          BIGINT  NOT NULL
);

-- Old answers are forgotten by time.
CREATE INDEX requests_by_time ON requests (at);

-- What each running copy of an agent said last of each secret. A word of the sidecar, not of the
-- authority: it has no MAC, and nothing is granted by it.
CREATE TABLE reports (
    agent       BYTEA   NOT NULL CHECK (octet_length(agent) = 16),
    instance    BYTEA   NOT NULL CHECK (octet_length(instance) = 16),
    secret      BYTEA   NOT NULL CHECK (octet_length(secret) = 16),
    environment TEXT    NOT NULL CHECK (octet_length(environment) BETWEEN 1 AND 64),
    version     BIGINT  NOT NULL,
    state       BIGINT  NOT NULL,
    evidence    BIGINT  NOT NULL,
    detail      TEXT    NOT NULL CHECK (octet_length(detail) <= 1024),
    boot        BYTEA   NOT NULL CHECK (octet_length(boot) = 16),
    at          BIGINT  NOT NULL,
    PRIMARY KEY (agent, instance, secret)
);

-- Sealed blobs by name: the keyring, the authority that signs certificates.
CREATE TABLE vault (
    name    TEXT  NOT NULL PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64),
    content BYTEA NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 16777216)
);
