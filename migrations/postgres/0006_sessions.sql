-- Conversations. `last_sequence` counts on under the lock of its row: two writers at once never get the same number.
CREATE TABLE sessions (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    status TEXT NOT NULL CHECK (status IN ('active', 'closed')),
    title TEXT,
    system_prompt TEXT,
    state_tokens TEXT,
    exchange_count BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL
);
-- Read backwards: a user's sessions, newest use first.
CREATE INDEX sessions_by_user ON sessions (user_id, last_used_at, id);
CREATE INDEX sessions_by_use ON sessions (last_used_at, id);

-- One row for each turn: what was asked and what was answered. The wide columns come last, so that the narrow ones are
-- read without them. The unique key leads with session and owner: a read never comes across another user's rows.
CREATE TABLE exchanges (
    id UUID NOT NULL PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id),
    user_id UUID NOT NULL REFERENCES users (id),
    sequence BIGINT NOT NULL,
    request_id UUID NOT NULL,
    modality TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('completed', 'incomplete')),
    finish_reason TEXT,
    error_code TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    prompt TEXT,
    reply TEXT,
    state_tokens TEXT,
    input TEXT,
    output TEXT,
    UNIQUE (session_id, user_id, sequence)
);
