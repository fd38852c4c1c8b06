-- Names that stand for models: an administrator's, for everybody, and everybody's own, which win. `targets` is a JSON list of
-- `provider:model`, asked one after the other; `context_target` is asked where a prompt is too long for those.
CREATE TABLE model_aliases (
    name TEXT NOT NULL PRIMARY KEY,
    targets TEXT NOT NULL,
    context_target TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by BLOB REFERENCES users (id)
) STRICT;

CREATE TABLE user_model_aliases (
    user_id BLOB NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    targets TEXT NOT NULL,
    context_target TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER model_aliases_frozen_insert BEFORE INSERT ON model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER model_aliases_frozen_update BEFORE UPDATE ON model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER model_aliases_frozen_delete BEFORE DELETE ON model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;

CREATE TRIGGER user_model_aliases_frozen_insert BEFORE INSERT ON user_model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_model_aliases_frozen_update BEFORE UPDATE ON user_model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
CREATE TRIGGER user_model_aliases_frozen_delete BEFORE DELETE ON user_model_aliases WHEN (SELECT state FROM maintenance) = 'frozen'
BEGIN SELECT RAISE(ABORT, 'llm-api is frozen'); END;
