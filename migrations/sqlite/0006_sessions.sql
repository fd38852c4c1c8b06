-- Conversations. `last_sequence` counts on under the lock of its row: two writers at once never get the same number.
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    status TEXT NOT NULL CHECK (status IN ('active', 'closed')),
    title TEXT,
    system_prompt TEXT,
    state_tokens TEXT,
    exchange_count INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;
-- Read backwards: a user's sessions, newest use first.
CREATE INDEX sessions_by_user ON sessions (user_id, last_used_at, id);
CREATE INDEX sessions_by_use ON sessions (last_used_at, id);

-- One row for each turn: what was asked and what was answered. The wide columns come last, so that the narrow ones are
-- read without them. The unique key leads with session and owner: a read never comes across another user's rows.
CREATE TABLE exchanges (
    id BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    sequence INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    modality TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('completed', 'incomplete')),
    finish_reason TEXT,
    error_code TEXT,
    created_at INTEGER NOT NULL,
    prompt TEXT,
    reply TEXT,
    state_tokens TEXT,
    input TEXT,
    output TEXT,
    UNIQUE (session_id, user_id, sequence)
) STRICT;
