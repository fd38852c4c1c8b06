-- Whether the operator has frozen the database: one row. `draining`: servers take nothing new, and what runs is still
-- written to its end. `frozen`: nothing is written by anybody, which the triggers see to. Not moved by a copy as data, but
-- the copy of a frozen database is frozen.
CREATE TABLE maintenance (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL CHECK (state IN ('open', 'draining', 'frozen')),
    reason TEXT,
    since TIMESTAMPTZ
);
INSERT INTO maintenance (id, state) VALUES (1, 'open');

-- The lock lasts until the transaction ends. Whoever freezes takes one that excludes it, and so waits for every transaction
-- that has read `open` and may still commit. By the schema of the written table, whatever the search path.
CREATE FUNCTION refuse_while_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found TEXT;
BEGIN
    EXECUTE format('LOCK TABLE %I.maintenance IN ROW SHARE MODE', TG_TABLE_SCHEMA);
    EXECUTE format('SELECT state FROM %I.maintenance', TG_TABLE_SCHEMA) INTO found;
    IF found = 'frozen' THEN
        RAISE EXCEPTION 'llm-api is frozen' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER user_tokens_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON user_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER invite_tokens_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON invite_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER provider_keys_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON provider_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER vault_canaries_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON vault_canaries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER requests_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER audit_events_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER sessions_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER exchanges_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON exchanges
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER default_models_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON default_models
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER user_default_models_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON user_default_models
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER usage_buckets_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_buckets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER artifacts_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
CREATE TRIGGER download_jobs_frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON download_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_frozen();
