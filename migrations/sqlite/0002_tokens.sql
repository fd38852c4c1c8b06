-- Login and personal tokens: only the SHA-256 of the secret is kept.
CREATE TABLE user_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('login', 'personal')),
    name TEXT,
    token_hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX user_tokens_by_user ON user_tokens (user_id, id);

CREATE TABLE invite_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    created_by BLOB REFERENCES users (id),
    grants_admin INTEGER NOT NULL CHECK (grants_admin IN (0, 1)),
    max_uses INTEGER NOT NULL,
    uses INTEGER NOT NULL CHECK (uses <= max_uses),
    last_used_by BLOB REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
