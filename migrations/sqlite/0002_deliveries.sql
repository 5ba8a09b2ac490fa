-- Each way by which an instance gets a secret, as its sidecar said last: a JSON array.
ALTER TABLE reports ADD COLUMN deliveries TEXT NOT NULL DEFAULT '[]'
    CHECK (length(deliveries) <= 16384);
