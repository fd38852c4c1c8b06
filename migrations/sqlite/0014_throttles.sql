-- Tries that count against a limit, where several processes share the database. The key is a keyed hash: neither addresses nor
-- names stand here. `spent_until` is in microseconds since the Unix epoch; a row of the past counts nothing, and goes.
CREATE TABLE throttles (
    key BLOB NOT NULL PRIMARY KEY,
    spent_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_spent ON throttles (spent_until);
