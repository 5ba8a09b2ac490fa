-- What each running copy of an agent said last of the program that it runs by a schedule: JSON. A
-- word of the sidecar, like its reports; kept so that the next run of an agent that waits, and
-- holds no stream, is known. Of no use after `keep_until`.
CREATE TABLE schedules (
    agent       BYTEA   NOT NULL CHECK (octet_length(agent) = 16),
    instance    BYTEA   NOT NULL CHECK (octet_length(instance) = 16),
    environment TEXT    NOT NULL CHECK (octet_length(environment) BETWEEN 1 AND 64),
    boot        BYTEA   NOT NULL CHECK (octet_length(boot) = 16),
    at          BIGINT  NOT NULL,
    keep_until  BIGINT  NOT NULL,
    told        TEXT    NOT NULL CHECK (octet_length(told) <= 4096),
    PRIMARY KEY (agent, instance)
);

-- Old ones are forgotten by time.
CREATE INDEX schedules_by_time ON schedules (keep_until);
