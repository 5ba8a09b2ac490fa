-- What people were told of each condition (`subject`, JSON), as JSON: so that they are told once,
-- whichever broker tells them. It has no MAC, and nothing is granted by it.
CREATE TABLE told (
    subject TEXT NOT NULL PRIMARY KEY CHECK (length(subject) BETWEEN 1 AND 2048),
    told    TEXT NOT NULL CHECK (length(told) <= 16384)
) STRICT;

-- What each credential's last test at its service came to, as JSON. As above.
CREATE TABLE trials (
    secret BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 16),
    told   TEXT NOT NULL CHECK (length(told) <= 16384)
) STRICT;
