-- Who changed what. Append-only, written in the transaction of the change; never a secret, never a name that failed to sign in.
CREATE TABLE audit_events (
    id UUID NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    actor_id UUID REFERENCES users (id),
    action TEXT NOT NULL,
    target_id UUID,
    address TEXT,
    request_id UUID,
    succeeded BOOLEAN NOT NULL
);
