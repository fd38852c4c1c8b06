-- Sums over a quarter of an hour, for statistics that outlive the usage rows and cost nothing to read.
CREATE TABLE usage_buckets (
    bucket_start INTEGER NOT NULL,
    provider TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    fallbacks INTEGER NOT NULL,
    latency_ms_total INTEGER NOT NULL,
    PRIMARY KEY (bucket_start, provider)
) STRICT, WITHOUT ROWID;
