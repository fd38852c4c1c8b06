-- Downloads of models to the operator's own server.
CREATE TABLE download_jobs (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    model TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    progress_pct REAL NOT NULL,
    error TEXT,
    source_type TEXT,
    source_uri TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    cancel_requested_at INTEGER
) STRICT;
CREATE INDEX download_jobs_by_user ON download_jobs (user_id, id);
