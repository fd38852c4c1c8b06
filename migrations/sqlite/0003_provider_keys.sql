-- The vault: one credential for each user and provider, sealed for the origin it may be sent to.
CREATE TABLE provider_keys (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    provider TEXT NOT NULL,
    credential_type TEXT NOT NULL,
    base_url TEXT,
    origin TEXT NOT NULL,
    sealed BLOB NOT NULL,
    masked_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('unchecked', 'valid', 'rejected', 'unreachable')),
    status_detail TEXT,
    checked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (user_id, provider)
) STRICT;

-- One sealed constant for each encryption key: a wrong key is told at start, not at the first request.
CREATE TABLE vault_canaries (
    key_id BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
