-- The brokers over this database: to which revision each follows the log of authority, and when it
-- said so, by the database's clock in microseconds. Whoever revokes waits by this until no broker
-- sends anything by an older state. It has no MAC, and nothing is granted by it.
CREATE TABLE brokers (
    broker   BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(broker) = 16),
    revision BIGINT NOT NULL CHECK (revision >= 0),
    at       BIGINT NOT NULL
);
