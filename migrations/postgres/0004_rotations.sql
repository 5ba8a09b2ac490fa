-- Who does a piece of work that only one broker may do at a time: until when it is his, unless he
-- says so again. `name` is what the work is, such as `rotation/ID`.
CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    holder BYTEA   NOT NULL CHECK (octet_length(holder) = 16),
    until  BIGINT  NOT NULL
);

-- The instances that hold a stream of each broker, 16 bytes each, as it said last.
CREATE TABLE presence (
    broker    BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(broker) = 16),
    at        BIGINT  NOT NULL,
    instances BYTEA   NOT NULL CHECK (octet_length(instances) <= 1048576)
);

-- When an instance that holds no stream any more held one last.
CREATE TABLE contacts (
    instance BYTEA   NOT NULL PRIMARY KEY CHECK (octet_length(instance) = 16),
    at       BIGINT  NOT NULL
);

-- Who said what of a secret is asked by the secret.
CREATE INDEX reports_by_secret ON reports (secret);
