-- One row for each generating request: what was used, by whom. A count the provider did not give is NULL.
-- The key leads with the owner, as every query does: one tree to write on the busiest table.
CREATE TABLE requests (
    id UUID NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id),
    token_id UUID REFERENCES user_tokens (id),
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    streamed BOOLEAN NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'incomplete', 'cancelled', 'interrupted')),
    error_code TEXT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    cached_tokens BIGINT,
    reasoning_tokens BIGINT,
    started_at TIMESTAMPTZ NOT NULL,
    first_byte_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX requests_running ON requests (started_at) WHERE status = 'running';
