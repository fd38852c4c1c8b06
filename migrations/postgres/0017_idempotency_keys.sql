-- Requests that a client may repeat without generating twice. The fingerprint is the SHA-256 of what was asked; a claim is the
-- request that answers, and holds the key until `expires_at`, or longer once its reply is kept. A reply without a body was too
-- large to be kept. `headers` is a JSON list of names and values.
CREATE TABLE idempotency_keys (
    user_id UUID NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done')),
    request_id UUID NOT NULL,
    status_code BIGINT,
    content_type TEXT,
    headers TEXT,
    body BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

CREATE TRIGGER idempotency_keys_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
