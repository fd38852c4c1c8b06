-- Who changed what. Append-only, written in the transaction of the change; never a secret, never a name that failed to sign in.
CREATE TABLE audit_events (
    id BLOB NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    actor_id BLOB REFERENCES users (id),
    action TEXT NOT NULL,
    target_id BLOB,
    address TEXT,
    request_id BLOB,
    succeeded INTEGER NOT NULL CHECK (succeeded IN (0, 1))
) STRICT;
