-- The vault: one credential for each user and provider, sealed for the origin it may be sent to.
CREATE TABLE provider_keys (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    provider TEXT NOT NULL,
    credential_type TEXT NOT NULL,
    base_url TEXT,
    origin TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    masked_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('unchecked', 'valid', 'rejected', 'unreachable')),
    status_detail TEXT,
    checked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (user_id, provider)
);

-- One sealed constant for each encryption key: a wrong key is told at start, not at the first request.
CREATE TABLE vault_canaries (
    key_id BYTEA NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
