-- As in Postgres. A database in a file has one broker, and nobody for it to tell: the table is
-- here so that both engines have the same ones.
CREATE TABLE brokers (
    broker   BLOB    NOT NULL PRIMARY KEY CHECK (length(broker) = 16),
    revision INTEGER NOT NULL CHECK (revision >= 0),
    at       INTEGER NOT NULL
) STRICT;
