-- Where the audit trail begins: after how many entries, in the order of its tree. One row, once
-- older entries were archived; whoever removes them moves it first. It is believed only with the
-- checkpoint of that size, and with a signed entry that says so.
CREATE TABLE audit_beginning (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL CHECK (size >= 1)
);
