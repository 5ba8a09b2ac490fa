-- What each running copy of an agent said last of the program that it runs by a schedule: JSON. A
-- word of the sidecar, like its reports; kept so that the next run of an agent that waits, and
-- holds no stream, is known. Of no use after `keep_until`.
CREATE TABLE schedules (
    agent       BLOB    NOT NULL CHECK (length(agent) = 16),
    instance    BLOB    NOT NULL CHECK (length(instance) = 16),
    environment TEXT    NOT NULL CHECK (length(environment) BETWEEN 1 AND 64),
    boot        BLOB    NOT NULL CHECK (length(boot) = 16),
    at          INTEGER NOT NULL,
    keep_until  INTEGER NOT NULL,
    told        TEXT    NOT NULL CHECK (length(told) <= 4096),
    PRIMARY KEY (agent, instance)
) STRICT;

-- Old ones are forgotten by time.
CREATE INDEX schedules_by_time ON schedules (keep_until);
