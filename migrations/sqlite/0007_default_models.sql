-- The model for each modality when a request names none: an administrator's choice, and everybody's own, which wins.
CREATE TABLE default_models (
    modality TEXT NOT NULL PRIMARY KEY,
    provider TEXT,
    model TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by BLOB REFERENCES users (id)
) STRICT;

CREATE TABLE user_default_models (
    user_id BLOB NOT NULL REFERENCES users (id),
    modality TEXT NOT NULL,
    provider TEXT,
    model TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, modality)
) STRICT, WITHOUT ROWID;
