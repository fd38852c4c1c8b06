-- Login and personal tokens: only the SHA-256 of the secret is kept.
CREATE TABLE user_tokens (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('login', 'personal')),
    name TEXT,
    token_hash BYTEA NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX user_tokens_by_user ON user_tokens (user_id, id);

CREATE TABLE invite_tokens (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_by UUID REFERENCES users (id),
    grants_admin BOOLEAN NOT NULL,
    max_uses BIGINT NOT NULL,
    uses BIGINT NOT NULL CHECK (uses <= max_uses),
    last_used_by UUID REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);
