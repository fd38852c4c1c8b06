-- One row for each generating request: what was used, by whom. A count the provider did not give is NULL.
-- The key leads with the owner, as every query does: one tree to write on the busiest table.
CREATE TABLE requests (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id),
    token_id BLOB REFERENCES user_tokens (id),
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    streamed INTEGER NOT NULL CHECK (streamed IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'incomplete', 'cancelled', 'interrupted')),
    error_code TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    total_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    started_at INTEGER NOT NULL,
    first_byte_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_running ON requests (started_at) WHERE status = 'running';
