-- What was copied into this database from another one: written with the rows it tells of, and the proof that they are all
-- there. `tables` is JSON with count and SHA-256 of each table. Receipts stay where they are: a copy takes none along.
CREATE TABLE transfer_receipts (
    id BLOB NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    migration INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    tables TEXT NOT NULL,
    checksum BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
