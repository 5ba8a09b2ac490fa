-- Who does a piece of work that only one broker may do at a time: until when it is his, unless he
-- says so again. `name` is what the work is, such as `rotation/ID`.
CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
    holder BLOB    NOT NULL CHECK (length(holder) = 16),
    until  INTEGER NOT NULL
) STRICT;

-- The instances that hold a stream of each broker, 16 bytes each, as it said last.
CREATE TABLE presence (
    broker    BLOB    NOT NULL PRIMARY KEY CHECK (length(broker) = 16),
    at        INTEGER NOT NULL,
    instances BLOB    NOT NULL CHECK (length(instances) <= 1048576)
) STRICT;

-- When an instance that holds no stream any more held one last.
CREATE TABLE contacts (
    instance BLOB    NOT NULL PRIMARY KEY CHECK (length(instance) = 16),
    at       INTEGER NOT NULL
) STRICT;

-- Who said what of a secret is asked by the secret.
CREATE INDEX reports_by_secret ON reports (secret);
