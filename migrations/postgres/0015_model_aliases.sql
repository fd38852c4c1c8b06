-- Names that stand for models: an administrator's, for everybody, and everybody's own, which win. `targets` is a JSON list of
-- `provider:model`, asked one after the other; `context_target` is asked where a prompt is too long for those.
CREATE TABLE model_aliases (
    name TEXT NOT NULL PRIMARY KEY,
    targets TEXT NOT NULL,
    context_target TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by UUID REFERENCES users (id)
);

CREATE TABLE user_model_aliases (
    user_id UUID NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    targets TEXT NOT NULL,
    context_target TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE TRIGGER model_aliases_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON model_aliases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER user_model_aliases_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON user_model_aliases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
