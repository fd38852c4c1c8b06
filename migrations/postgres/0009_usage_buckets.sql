-- Sums over a quarter of an hour, for statistics that outlive the usage rows and cost nothing to read.
CREATE TABLE usage_buckets (
    bucket_start TIMESTAMPTZ NOT NULL,
    provider TEXT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    fallbacks BIGINT NOT NULL,
    latency_ms_total BIGINT NOT NULL,
    PRIMARY KEY (bucket_start, provider)
);
