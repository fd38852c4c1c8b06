-- How many bytes of a reply are kept, its headers included; an index over what is kept of one user, the oldest first. What was
-- kept before counts as nothing until it expires, within a day.
ALTER TABLE idempotency_keys ADD COLUMN kept_bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX idempotency_keys_kept ON idempotency_keys (user_id, created_at, key, kept_bytes) WHERE state = 'done';
