-- People and the service account. Times are microseconds since the Unix epoch, ids 16 bytes, booleans 0 or 1.
CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
    password_hash TEXT,
    display_name TEXT,
    preferred_model TEXT,
    preferences TEXT NOT NULL,
    is_admin INTEGER NOT NULL CHECK (is_admin IN (0, 1)),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;

-- The account behind LLM_API_API_KEY: no password, so nobody signs in as it.
INSERT INTO users (id, username, kind, display_name, preferences, is_admin, is_active, created_at)
VALUES (X'00000000000070008000000000000001', 'service', 'service', 'Service', '{}', 0, 1, 0);
