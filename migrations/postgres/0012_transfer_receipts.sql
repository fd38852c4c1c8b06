-- What was copied into this database from another one: written with the rows it tells of, and the proof that they are all
-- there. `tables` is JSON with count and SHA-256 of each table. Receipts stay where they are: a copy takes none along.
CREATE TABLE transfer_receipts (
    id UUID NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    migration BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    tables TEXT NOT NULL,
    checksum BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
