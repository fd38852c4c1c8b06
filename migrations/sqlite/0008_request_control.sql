-- A request may be cancelled through another process than the one it runs in. The session may go before its usage rows.
ALTER TABLE requests ADD COLUMN cancel_requested_at INTEGER;
ALTER TABLE requests ADD COLUMN fallback_reason TEXT;
ALTER TABLE requests ADD COLUMN session_id BLOB;
-- Asked every half second while something runs long; nearly always empty.
CREATE INDEX requests_cancelling ON requests (user_id, id) WHERE status = 'running' AND cancel_requested_at IS NOT NULL;
