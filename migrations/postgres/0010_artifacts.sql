-- Generated files; the bytes are elsewhere. Without an expiry a file is kept with its session. The session may go first:
-- its files then expire, and are removed after it.
CREATE TABLE artifacts (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    session_id UUID,
    kind TEXT NOT NULL CHECK (kind IN ('image', 'mesh')),
    content_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    store TEXT NOT NULL CHECK (store IN ('local', 's3')),
    object_key TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX artifacts_by_age ON artifacts (created_at, id);
CREATE INDEX artifacts_by_expiry ON artifacts (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX artifacts_by_session ON artifacts (session_id, user_id, id) WHERE session_id IS NOT NULL;
