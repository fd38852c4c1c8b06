-- Downloads of models to the operator's own server.
CREATE TABLE download_jobs (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    model TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    progress_pct DOUBLE PRECISION NOT NULL,
    error TEXT,
    source_type TEXT,
    source_uri TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    cancel_requested_at TIMESTAMPTZ
);
CREATE INDEX download_jobs_by_user ON download_jobs (user_id, id);
