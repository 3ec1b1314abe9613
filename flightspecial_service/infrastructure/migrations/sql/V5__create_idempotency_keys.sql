-- What came of a request that carried an Idempotency-Key. The row is written in the transaction of the
-- effect: one is there exactly if the other is.
CREATE TABLE "${flyway:defaultSchema}".idempotency_key (
    key         varchar(255) PRIMARY KEY,
    fingerprint bytea        NOT NULL,
    outcome     text,
    taken_at    timestamptz  NOT NULL DEFAULT now()
);

-- Keys that are old enough are removed by their age.
CREATE INDEX idempotency_key_taken_at_idx ON "${flyway:defaultSchema}".idempotency_key (taken_at);
