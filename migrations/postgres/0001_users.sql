-- People and the service account.
CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
    password_hash TEXT,
    display_name TEXT,
    preferred_model TEXT,
    preferences TEXT NOT NULL,
    is_admin BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_login_at TIMESTAMPTZ
);

-- The account behind LLM_API_API_KEY: no password, so nobody signs in as it.
INSERT INTO users (id, username, kind, display_name, preferences, is_admin, is_active, created_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'service', 'service', 'Service', '{}', FALSE, TRUE, 'epoch');
