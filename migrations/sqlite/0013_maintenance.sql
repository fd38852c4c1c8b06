-- Whether the operator has frozen the database: one row. `draining`: servers take nothing new, and what runs is still
-- written to its end. `frozen`: nothing is written by anybody, which the triggers see to. Not moved by a copy as data, but
-- the copy of a frozen database is frozen.
CREATE TABLE maintenance (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL CHECK (state IN ('open', 'draining', 'frozen')),
    reason TEXT,
    since INTEGER
) STRICT;
INSERT INTO maintenance (id, state) VALUES (1, 'open');

CREATE TRIGGER users_frozen_insert BEFORE INSERT ON users WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER users_frozen_update BEFORE UPDATE ON users WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER users_frozen_delete BEFORE DELETE ON users WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER user_tokens_frozen_insert BEFORE INSERT ON user_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_tokens_frozen_update BEFORE UPDATE ON user_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_tokens_frozen_delete BEFORE DELETE ON user_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER invite_tokens_frozen_insert BEFORE INSERT ON invite_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER invite_tokens_frozen_update BEFORE UPDATE ON invite_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER invite_tokens_frozen_delete BEFORE DELETE ON invite_tokens WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER provider_keys_frozen_insert BEFORE INSERT ON provider_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER provider_keys_frozen_update BEFORE UPDATE ON provider_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER provider_keys_frozen_delete BEFORE DELETE ON provider_keys WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER vault_canaries_frozen_insert BEFORE INSERT ON vault_canaries WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER vault_canaries_frozen_update BEFORE UPDATE ON vault_canaries WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER vault_canaries_frozen_delete BEFORE DELETE ON vault_canaries WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER requests_frozen_insert BEFORE INSERT ON requests WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER requests_frozen_update BEFORE UPDATE ON requests WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER requests_frozen_delete BEFORE DELETE ON requests WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER audit_events_frozen_insert BEFORE INSERT ON audit_events WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER audit_events_frozen_update BEFORE UPDATE ON audit_events WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER audit_events_frozen_delete BEFORE DELETE ON audit_events WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER sessions_frozen_insert BEFORE INSERT ON sessions WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER sessions_frozen_update BEFORE UPDATE ON sessions WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER sessions_frozen_delete BEFORE DELETE ON sessions WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER exchanges_frozen_insert BEFORE INSERT ON exchanges WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER exchanges_frozen_update BEFORE UPDATE ON exchanges WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER exchanges_frozen_delete BEFORE DELETE ON exchanges WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER default_models_frozen_insert BEFORE INSERT ON default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER default_models_frozen_update BEFORE UPDATE ON default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER default_models_frozen_delete BEFORE DELETE ON default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER user_default_models_frozen_insert BEFORE INSERT ON user_default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_default_models_frozen_update BEFORE UPDATE ON user_default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_default_models_frozen_delete BEFORE DELETE ON user_default_models WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER usage_buckets_frozen_insert BEFORE INSERT ON usage_buckets WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER usage_buckets_frozen_update BEFORE UPDATE ON usage_buckets WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER usage_buckets_frozen_delete BEFORE DELETE ON usage_buckets WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER artifacts_frozen_insert BEFORE INSERT ON artifacts WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER artifacts_frozen_update BEFORE UPDATE ON artifacts WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER artifacts_frozen_delete BEFORE DELETE ON artifacts WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER download_jobs_frozen_insert BEFORE INSERT ON download_jobs WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER download_jobs_frozen_update BEFORE UPDATE ON download_jobs WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER download_jobs_frozen_delete BEFORE DELETE ON download_jobs WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
