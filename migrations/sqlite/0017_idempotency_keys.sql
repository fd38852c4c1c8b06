-- Requests that a client may repeat without generating twice. The fingerprint is the SHA-256 of what was asked; a claim is the
-- request that answers, and holds the key until `expires_at`, or longer once its reply is kept. A reply without a body was too
-- large to be kept. `headers` is a JSON list of names and values.
CREATE TABLE idempotency_keys (
    user_id BLOB NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done')),
    request_id BLOB NOT NULL,
    status_code INTEGER,
    content_type TEXT,
    headers TEXT,
    body BLOB,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

CREATE TRIGGER idempotency_keys_frozen_insert BEFORE INSERT ON idempotency_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER idempotency_keys_frozen_update BEFORE UPDATE ON idempotency_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER idempotency_keys_frozen_delete BEFORE DELETE ON idempotency_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
